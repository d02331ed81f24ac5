"""The filters that are not Jinja2's: bytes, JSON, YAML, PEM, PKCS#12, .env files."""

from __future__ import annotations

import base64
import hashlib
import json
from io import StringIO

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509 import load_pem_x509_certificate, load_pem_x509_certificates
from dotenv.main import DotEnv
from hypothesis import given
from hypothesis import strategies as st

from beemflow_secrets.providers.dotenvtext import loads
from beemflow_secrets.rendering.dotenv import dumps
from beemflow_secrets.rendering.template.budget import aside, here
from beemflow_secrets.rendering.template.engine import render
from beemflow_secrets.rendering.template.values import Secret, Secrets, secret, text_of
from beemflow_secrets.testing.certs import CertificateAuthority
from tests.unit.rendering.template.rendering import refusal, rendered

TEXT = st.text(alphabet=st.characters(codec="utf-8"))
LEAVES = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | TEXT
DATA = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner))
NAMES = st.from_regex("[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)


def of_bytes(text: str, raw: bytes) -> bytes:
    return render(text, {"secrets": Secrets({"x": secret(raw, None, None, None)}, whole=True)}, here())


@given(st.binary())
def test_filters_carry_bytes(raw: bytes) -> None:
    assert of_bytes("{{ secrets.x }}", raw) == raw
    assert of_bytes("<{{ secrets.x ~ '' }}>", raw) == b"<" + raw + b">"
    assert of_bytes("{{ secrets.x | base64encode }}", raw) == base64.b64encode(raw)
    assert of_bytes("{{ secrets.x | base64decode }}", base64.encodebytes(raw)) == raw
    assert of_bytes("{{ secrets.x | base64encode | base64decode | reverse | reverse }}", raw) == raw
    assert of_bytes("{{ secrets.x | sha256 }}", raw).decode() == hashlib.sha256(raw).hexdigest()
    assert of_bytes("{{ secrets.x | hash 'sha512' }}", raw).decode() == hashlib.sha512(raw).hexdigest()


@given(TEXT)
def test_json_escapes_only_what_json_demands(value: str) -> None:
    written = rendered("{{ value | json }}", value=value)
    assert json.loads(written) == value
    assert written == json.dumps(value, ensure_ascii=False)
    assert rendered("{{ value | json | fromjson }}", value=value) == value


def test_json_keeps_markup_and_numbers_as_they_are_written() -> None:
    assert rendered("{{ '</a>&\"é' | json }}") == '"</a>&\\"é"'
    assert rendered("{{ secrets.json | fromjson | json }}") == (
        '{"user":"bot","ports":[80,443],"ratio":1.10,"nothing":null}'
    )
    assert rendered("{{ (secrets.json | fromjson).ports[1] + 1 }} {{ (secrets.json | fromjson).ratio }}") == "444 1.10"
    assert rendered("{{ {'a': [1]} | tojson(indent=1) }}") == '{\n "a": [\n  1\n ]\n}'


@given(DATA)
def test_yaml_is_read_as_it_was(value: object) -> None:
    written = rendered("{{ value | yaml }}", budget=aside(), value={"x": value})
    assert not written.endswith("\n")
    assert yaml.safe_load(written) == {"x": value}


def test_yaml_quotes_text_that_others_than_pyyaml_take_for_numbers() -> None:
    assert rendered("{{ {'1e5': value} | yaml }}", value="0o17") == "'1e5': '0o17'"


@pytest.mark.parametrize("end", ["\r", "\r\n", "\x85", "\u2028", "\u2029"])
def test_yaml_keeps_line_ends_of_which_pyyaml_makes_blanks(end: str) -> None:
    assert yaml.safe_load(rendered("{{ value | yaml }}", value={"x": f"a{end}b{end}"})) == {"x": f"a{end}b{end}"}


@pytest.mark.parametrize("form", ["json", "yaml", "dotenv"])
def test_a_format_of_text_takes_no_binary_value(form: str) -> None:
    assert "is binary" in refusal(f"{{{{ secrets | {form} }}}}")


@given(st.dictionaries(NAMES, TEXT.filter(lambda text: not {"\r", "\0"} & set(text))))
def test_a_dotenv_file_is_read_as_it_was(values: dict[str, str]) -> None:
    assert loads(dumps(values)) == values
    # In double quotes `\$` is dotenvy's escape, which python-dotenv does not know; all else both read alike.
    doubtful = {name for name, value in values.items() if "$" in value and ("'" in value or "\\" in value)}
    plain = {name: value for name, value in values.items() if name not in doubtful}
    assert dict(DotEnv(None, stream=StringIO(dumps(plain)), interpolate=False).dict()) == plain


@pytest.mark.parametrize("value", ["it's $5", "'\\$", "'\\\\$x\\", "'$\\$$", "'\n$\"\\n"])
def test_a_dollar_in_double_quotes_is_read_as_it_was(value: str) -> None:
    assert loads(f"export A={dumps({'B': value})[2:]}") == {"A": value}


def test_a_dotenv_file_of_all_keys() -> None:
    held = {"TOKEN": Secret('it\'s $5 \\ "x"'), "slack/bot.key": Secret("a\nb"), "empty": Secret("")}
    printed = rendered("{{ secrets | dotenv }}", held=held)
    assert printed == "TOKEN=\"it's \\$5 \\\\ \\\"x\\\"\"\nSLACK_BOT_KEY='a\nb'\nempty=''\n"
    with pytest.raises(ValueError, match="two keys become the variable A_B"):
        dumps({"a/b": "1", "A_B": "2"})
    with pytest.raises(ValueError, match="no variable can be called"):
        dumps({"1a": "1"})


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority()


def test_filter_pem_takes_the_blocks_of_one_kind(authority: CertificateAuthority) -> None:
    own = authority.issue("localhost")
    held = {"all": Secret(f"a note\n{own.key}{own.certificate}{authority.pem}")}
    certificates = rendered("{{ secrets.all | filterPEM 'CERTIFICATE' }}", held=held)
    assert len(load_pem_x509_certificates(certificates.encode())) == 2
    assert "KEY" not in certificates
    assert rendered("{{ secrets.all | filterPEM 'PRIVATE KEY' }}", held=held) == own.key
    assert rendered("{{ secrets.all | filterPEM('PUBLIC KEY') }}", held=held) == ""
    assert "holds no PEM" in refusal("{{ secrets.token | filterPEM 'CERTIFICATE' }}")


def test_filter_pem_keeps_the_headers_of_a_locked_key(authority: CertificateAuthority) -> None:
    key = load_pem_private_key(authority.issue("localhost").key.encode(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"x")).decode()
    kind = locked.partition("BEGIN ")[2].partition("-----")[0]
    assert "DEK-Info: AES-" in locked
    assert (
        rendered(f"{{{{ secrets.all | filterPEM '{kind}' }}}}", held={"all": Secret(authority.pem + locked)}) == locked
    )


@pytest.mark.parametrize("password", ["", "pässword"])
def test_pkcs12(authority: CertificateAuthority, password: str) -> None:
    own = authority.issue("localhost")
    key = load_pem_private_key(own.key.encode(), None)
    leaf, root = load_pem_x509_certificate(own.certificate.encode()), load_pem_x509_certificate(authority.pem.encode())
    locked = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    archive = pkcs12.serialize_key_and_certificates(b"x", key, leaf, [root], locked)  # type: ignore[arg-type]  # a private key
    held = {"p12": secret(archive, None, None, None), "b64": Secret(base64.b64encode(archive).decode())}
    read = f"pkcs12cert('{password}')" if password else "pkcs12cert"
    certificates = rendered(f"{{{{ secrets.p12 | {read} }}}}", held=held, budget=aside())
    assert load_pem_x509_certificates(certificates.encode()) == [leaf, root]
    read = read.replace("cert", "key")
    made = rendered(f"{{{{ secrets.b64 | base64decode | {read} }}}}", held=held, budget=aside())
    assert load_pem_private_key(made.encode(), None).private_numbers() == key.private_numbers()  # type: ignore[union-attr]  # not Ed25519
    assert made.startswith("-----BEGIN PRIVATE KEY-----\n")


def test_what_is_no_archive() -> None:
    fault = "is no PKCS#12 archive, or its password is another"
    with pytest.raises(Exception, match=fault):
        rendered("{{ secrets.token | pkcs12key }}", budget=aside())


def test_bytes_and_text_are_one() -> None:
    assert text_of("é".encode()) == "é"
    assert rendered("{{ secrets.binary | length }}") == "3"
