"""Writes tests/pretrained/captions.json: what transformers' BERT makes of captions with the weights of MiniLM.

transformers is not among ganpipe's dependencies: run this in an environment that has it, as
`python tools/record_captions.py FOLDER`, where FOLDER holds config.json, model.safetensors, tokenizer.json and
tokenizer_config.json of sentence-transformers/all-MiniLM-L6-v2. Recorded with transformers 5.24.0.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

OUT = Path(__file__).parent.parent / "tests" / "pretrained" / "captions.json"
CAPTIONS = (
    "a small red seven on a blue background",
    "Smiling face with heart-eyes, noto style",
    "Flag: Åland Islands",
    "red apple",
)


def recorded(caption: str, model: Any, tokenizer: Any) -> dict[str, Any]:
    """The tokens of one caption, the length and the first numbers of the features of each, and of their mean."""
    inputs = tokenizer(caption, return_tensors="pt")
    with torch.no_grad():
        features = model(**inputs).last_hidden_state[0].double()
    return {
        "caption": caption,
        "tokens": inputs.input_ids[0].tolist(),
        "norms": features.norm(dim=1).tolist(),
        "first": features[:, :4].tolist(),
        "pooled": features.mean(0)[:8].tolist(),
    }


def main() -> None:
    """Record all captions, one by one and therefore without padding."""
    from transformers import AutoTokenizer, BertModel

    model = BertModel.from_pretrained(sys.argv[1]).eval()
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
    OUT.write_text(json.dumps([recorded(caption, model, tokenizer) for caption in CAPTIONS], indent=1) + "\n")


if __name__ == "__main__":
    main()
