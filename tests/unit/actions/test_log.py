from pathlib import Path

from hookline.actions.log import ActionLog, Mask


def test_a_secret_is_masked_wherever_the_output_is_cut(tmp_path: Path) -> None:
    secret = "0123456789abcdef"
    data = b"x" * 65_530 + secret.encode() + b"y" * 65_530 + secret.encode()
    for cut in [*range(65_520, 65_560), len(data) - 3]:
        path = tmp_path / str(cut)
        with ActionLog(path, Mask([secret]), 1_000_000) as log:
            log.write(data[:cut])
            log.write(data[cut:])

        assert path.read_bytes() == data.replace(secret.encode(), b"****") + b"\n"


def test_short_lines_of_a_secret_of_many_lines_are_left(tmp_path: Path) -> None:
    mask = Mask(['{\n  "key": "value"\n}'])

    assert mask.text('{}, "key": "value"') == "{}, ****"
    assert mask.text('{\n  "key": "value"\n}') == "****"
    assert not list(tmp_path.iterdir())


def test_no_secret_or_an_empty_one_masks_nothing() -> None:
    assert Mask(["", "\n"]).text("a\nb") == "a\nb"


def test_a_full_log_takes_nothing_more_when_it_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for _ in range(3):
        with ActionLog(path, Mask([]), 100) as log:
            log.write(b"x" * 200 + b"\n")

    text = path.read_text()
    assert text == "x" * 100 + "\n[the log ends here: it is longer than 100 bytes]\n"
