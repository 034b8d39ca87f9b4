from pathlib import Path

from clozone.local.logs import Follower, last_lines, rotate


def test_a_small_file_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    file.write_text("one\n")
    assert not rotate(file, limit=10)
    assert [path.name for path in tmp_path.iterdir()] == ["a.log"]


def test_whoever_writes_goes_on_writing_after_a_rotation(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    with file.open("ab", buffering=0) as writer:
        writer.write(b"before\n")
        assert rotate(file, limit=3)
        writer.write(b"after\n")
    assert file.read_bytes() == b"after\n"
    assert (tmp_path / "a.log.1").read_text() == "before\n"


def test_the_oldest_is_given_up(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    for text in ("1", "2", "3", "4"):
        file.write_text(text)
        rotate(file, limit=0, keep=2)
    assert (tmp_path / "a.log.1").read_text() == "4"
    assert (tmp_path / "a.log.2").read_text() == "3"
    assert not (tmp_path / "a.log.3").exists()


def test_a_missing_file_is_not_rotated(tmp_path: Path) -> None:
    assert not rotate(tmp_path / "a.log")


def test_last_lines_of_a_file_longer_than_a_block(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    file.write_text("".join(f"line {n} {'x' * 50}\n" for n in range(5_000)))
    lines = last_lines(file, 3)
    assert [line.split()[1] for line in lines] == ["4997", "4998", "4999"]


def test_last_lines_beyond_a_place(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    file.write_text("old\nnew\n")
    assert last_lines(file, 10, since=4) == ["new"]
    assert last_lines(file, 0) == []
    assert last_lines(tmp_path / "none.log", 10) == []


def test_a_follower_gives_whole_lines_only(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    file.write_text("seen\n")
    follower = Follower([("a", file)])
    with file.open("a") as writer:
        writer.write("one\ntw")
        writer.flush()
        assert follower.new_lines() == [("a", "one")]
        writer.write("o\n")
    assert follower.new_lines() == [("a", "two")]
    assert follower.new_lines() == []


def test_a_follower_survives_a_rotation_and_waits_for_files(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    follower = Follower([("a", file)])
    file.write_text("a long first line\n")
    assert follower.new_lines() == [("a", "a long first line")]
    file.write_text("two\n")
    assert follower.new_lines() == [("a", "two")]
