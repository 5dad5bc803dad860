"""Byte-level tokenizers as `tokenizer.json`, the format that Hugging Face and its servers read.

    bytes        256 byte tokens and the separator; written here, needs no library
    bpe:N        byte-level BPE of N tokens learned from training documents; needs the library `tokenizers`
    a path       a tokenizer.json of the user, GPT-2's or Llama's for example; needs `tokenizers`

Documents are encoded on their own, each with the separator before it.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from aira_workers.errors import InvalidCandidate

SEPARATOR = "<|endoftext|>"
# Names under which published tokenizers have the token between documents, by preference.
_SEPARATORS = (SEPARATOR, "<|begin_of_text|>", "<|end_of_text|>", "</s>", "<s>", "<eos>", "<bos>")
SMALLEST_BPE = 257


def byte_alphabet() -> list[str]:
    """The printable character that byte-level BPE writes for each byte 0..255 (GPT-2's table)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    spelled = {byte: chr(byte) for byte in printable}
    spelled.update({byte: chr(256 + place) for place, byte in enumerate(others)})
    return [spelled[byte] for byte in range(256)]


def bytes_tokenizer() -> dict:
    """tokenizer.json of plain bytes: token b is the byte b, token 256 the separator."""
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    special = {"id": 256, "content": SEPARATOR, "special": True}
    special.update(single_word=False, lstrip=False, rstrip=False, normalized=False)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [special],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {character: byte for byte, character in enumerate(byte_alphabet())},
            "merges": [],
        },
    }


class Codec:
    """Encodes documents with one tokenizer.json; `separator` is the id that goes before each document."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._library = None
        try:
            described = json.loads(text)
        except ValueError as error:
            raise InvalidCandidate(f"tokenizer.json is not JSON: {error}") from error
        self._plain = described == bytes_tokenizer()
        if self._plain:
            self.vocabulary, self.separator = 257, 256
            return
        self._library = _library().Tokenizer.from_str(text)
        self.vocabulary = self._library.get_vocab_size(with_added_tokens=True)
        found = [name for name in _SEPARATORS if self._library.token_to_id(name) is not None]
        if not found:
            raise InvalidCandidate(
                f"tokenizer.json has none of the tokens {', '.join(_SEPARATORS)} to put between documents"
            )
        self.separator = self._library.token_to_id(found[0])

    def token(self, place: int) -> str:
        """The text of the token `place`, for special tokens."""
        return SEPARATOR if self._library is None else self._library.id_to_token(place)

    def encode(self, text: str) -> list[int]:
        """Token ids without separator or any other special token of the tokenizer's own template."""
        if self._plain:
            return list(text.encode())
        return self._library.encode(text, add_special_tokens=False).ids

    def encode_batch(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        """uint32 ids of each text, the separator first."""
        if self._plain:
            for text in texts:
                yield np.concatenate(([256], np.frombuffer(text.encode(), dtype=np.uint8))).astype(np.uint32)
            return
        for encoded in self._library.encode_batch(list(texts), add_special_tokens=False):
            yield np.array([self.separator, *encoded.ids], dtype=np.uint32)


def make_tokenizer(kind: str, training: Iterable[str]) -> str:
    """The text of tokenizer.json for `kind` (see above); `training` is read only where there is something to learn."""
    if kind == "bytes":
        return json.dumps(bytes_tokenizer(), ensure_ascii=False, indent=1)
    if kind.startswith("bpe:"):
        size = int(kind[4:]) if kind[4:].isdigit() else 0
        if not SMALLEST_BPE <= size <= 1_000_000:
            raise InvalidCandidate(f"tokenizer bpe:N needs N of {SMALLEST_BPE} to 1000000, got {kind[4:]!r}")
        return _learn(size, training)
    path = Path(kind)
    if not path.is_file():
        raise InvalidCandidate(f"tokenizer must be bytes, bpe:N or the path of a tokenizer.json, got {kind!r}")
    return path.read_text(encoding="utf-8")


def _learn(size: int, training: Iterable[str]) -> str:
    library = _library()
    tokenizer = library.Tokenizer(library.models.BPE())
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = library.decoders.ByteLevel()
    trainer = library.trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[SEPARATOR],
        initial_alphabet=sorted(library.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(training, trainer)
    return tokenizer.to_str(pretty=True)


def _library():
    try:
        import tokenizers
        import tokenizers.decoders
        import tokenizers.models
        import tokenizers.pre_tokenizers
        import tokenizers.trainers
    except ImportError as error:
        raise InvalidCandidate(
            "this tokenizer needs the Python package tokenizers; install it, or choose bytes"
        ) from error
    return tokenizers


def readable(text: str) -> str:
    """`text` with U+FFFD in place of unpaired surrogates, which JSON can hold and UTF-8 cannot."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
