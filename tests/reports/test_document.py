from __future__ import annotations

import json

import pytest

from reports.page.document import policy, script_json, source_hash


@pytest.mark.parametrize("text", ["</script>", "<!--", "a&b", "\u2028\u2029", "]]>", "'\"\\"])
def test_json_in_a_script_never_ends_it_and_comes_back_whole(text: str) -> None:
    written = script_json({text: [text]})
    assert not set(written) & set("<>&\u2028\u2029")
    assert json.loads(written) == {text: [text]}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_without_a_meaning_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        script_json([value])


def test_the_policy_allows_only_what_it_names() -> None:
    text = policy(["a()"], ["b{}"])
    assert text.startswith("default-src 'none'; ")
    assert "unsafe" not in text
    assert "http" not in text
    assert source_hash("a()") in text


def test_a_hash_is_that_of_the_standard() -> None:
    # The example of Content Security Policy Level 3, section 8.4.
    assert source_hash("") == "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
