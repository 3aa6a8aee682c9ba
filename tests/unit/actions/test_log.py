from pathlib import Path

from hookline.actions.log import ActionLog, Mask
from support.workshop import KeptLog


def test_a_secret_is_masked_wherever_the_output_is_cut(tmp_path: Path) -> None:
    secret = "0123456789abcdef"
    data = b"x" * 65_530 + secret.encode() + b"y" * 65_530 + secret.encode()
    for cut in [*range(65_520, 65_560), len(data) - 3]:
        kept = KeptLog(tmp_path / str(cut))
        with ActionLog(kept, Mask([secret]), 1_000_000) as log:
            log.write(data[:cut])
            log.write(data[cut:])

        assert kept.data == data.replace(secret.encode(), b"****") + b"\n"


def test_short_lines_of_a_secret_of_many_lines_are_left() -> None:
    mask = Mask(['{\n  "key": "value"\n}'])

    assert mask.text('{}, "key": "value"') == "{}, ****"
    assert mask.text('{\n  "key": "value"\n}') == "****"


def test_no_secret_or_an_empty_one_masks_nothing() -> None:
    assert Mask(["", "\n"]).text("a\nb") == "a\nb"


def test_a_full_log_takes_nothing_more_when_it_is_opened_again(tmp_path: Path) -> None:
    kept = KeptLog(tmp_path / "log")
    for _ in range(3):
        with ActionLog(kept, Mask([]), 100) as log:
            log.write(b"x" * 200 + b"\n")

    assert kept.data.decode() == "x" * 100 + "\n[the log ends here: it is longer than 100 bytes]\n"
