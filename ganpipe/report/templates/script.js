"use strict";
document.documentElement.classList.add("js");

// The slider over pictures: one at a time, the last to begin with.
for (const box of document.querySelectorAll("[data-slider]")) {
  const frames = [...box.querySelectorAll("figure")];
  const slider = box.querySelector("input"), said = box.querySelector("output"), button = box.querySelector("button");
  const show = () => {
    frames.forEach((frame, index) => frame.classList.toggle("current", index === Number(slider.value)));
    said.textContent = frames[slider.value].dataset.when;
  };
  let timer = 0;
  const stop = () => { clearInterval(timer); timer = 0; button.textContent = "Play"; };
  slider.addEventListener("input", () => { stop(); show(); });
  button.addEventListener("click", () => {
    if (timer) return stop();
    if (Number(slider.value) === frames.length - 1) slider.value = 0;
    show();
    button.textContent = "Stop";
    timer = setInterval(() => {
      slider.value = Number(slider.value) + 1;
      show();
      if (Number(slider.value) === frames.length - 1) stop();
    }, 350);
  });
  show();
}

// The values of all curves under the pointer: why the charts are not drawn by matplotlib, see `ganpipe/report/curves.py`.
for (const chart of document.querySelectorAll(".chart")) {
  const {range, lines} = JSON.parse(chart.dataset.values);
  const plot = chart.querySelector(".plot"), said = [...chart.querySelectorAll(".legend output")];
  const cursor = document.createElement("div");
  cursor.className = "cursor";
  cursor.hidden = true;
  plot.append(cursor);
  const nearest = (points, x) =>
    points.reduce((best, point) => Math.abs(point[0] - x) < Math.abs(best[0] - x) ? point : best);
  plot.addEventListener("pointermove", event => {
    const place = plot.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - place.left) / place.width));
    const x = range[0] + share * (range[1] - range[0]);
    cursor.hidden = false;
    cursor.style.left = `${100 * share}%`;
    lines.forEach((line, index) => {
      const [kimg, value] = nearest(line.points, x);
      said[index].textContent = `${value} at ${kimg} kimg`;
    });
  });
  plot.addEventListener("pointerleave", () => {
    cursor.hidden = true;
    said.forEach(output => { output.textContent = ""; });
  });
}
