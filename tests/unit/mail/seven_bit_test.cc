// Content made 7-bit: what it says of itself stays true, and no cut of the stream changes it.
#include <catch2/catch.hpp>

#include "common/base/text.h"
#include "common/content/seven_bit.h"

using namespace postwain;
using namespace postwain::mail;

namespace {

std::string converted(std::string_view content, std::size_t piece) {
  SevenBit converter;
  std::string out;
  for (std::size_t at = 0; at < content.size(); at += piece)
    converter.convert(content.substr(at, piece), out);
  converter.finish(out);
  return out;
}

// The same however it is cut, 7-bit, and with whole line ends only.
std::string converted(std::string_view content) {
  std::string whole = converted(content, content.size() + 1);
  for (std::size_t piece : {1U, 2U, 3U, 7U, 64U}) CHECK((converted(content, piece) == whole));
  CHECK(is_ascii(whole));
  for (std::size_t i = 0; i < whole.size(); ++i) {
    if (whole[i] == '\n') CHECK((i > 0 && whole[i - 1] == '\r'));
    if (whole[i] == '\r') CHECK((i + 1 < whole.size() && whole[i + 1] == '\n'));
  }
  return whole;
}

}  // namespace

TEST_CASE("seven bit: text becomes quoted-printable", "[seven_bit]") {
  CHECK(converted("Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n"
                  "Content-Transfer-Encoding: 8bit\r\nMIME-Version: 1.0\r\n\r\n"
                  "gr\xC3\xBC\xC3\x9F"
                  "e = 1 \r\n\r\n.dot\r\n") ==
        "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\nMIME-Version: 1.0\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        "gr=C3=BC=C3=9Fe =3D 1=20\r\n\r\n.dot\r\n");
}

TEST_CASE("seven bit: a message that says nothing of itself", "[seven_bit]") {
  CHECK(converted("Subject: x\r\n\r\n\xE4\r\n") ==
        "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n=E4\r\n");
  CHECK(converted("\r\n\xE4\r\n").find("=E4\r\n") != std::string::npos);
  CHECK(converted("Subject: no body\r\n").find("Subject: no body\r\n") == 0);
}

TEST_CASE("seven bit: binary octets become base64, whatever they are", "[seven_bit]") {
  std::string octets;
  for (int i = 0; i < 1000; ++i) octets += static_cast<char>(i % 256);
  octets += "\r\n--not a boundary\r\n\n.\n\r";
  std::string out = converted(
      "Content-Type: application/octet-stream\r\nMIME-Version: 1.0\r\n"
      "Content-Transfer-Encoding: binary\r\n\r\n" +
      octets);
  std::size_t body = out.find("\r\n\r\n") + 4;
  CHECK(out.substr(0, body) ==
        "Content-Type: application/octet-stream\r\nMIME-Version: 1.0\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n");
  std::string joined;
  for (std::string_view line : split(std::string_view(out).substr(body), '\n')) {
    CHECK(line.size() <= 77);
    joined += line.substr(0, line.find('\r'));
  }
  CHECK((base64_decode(joined) == octets));
}

TEST_CASE("seven bit: parts each for themselves", "[seven_bit]") {
  std::string content =
      "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"a b\"\r\n"
      "Content-Transfer-Encoding: binary\r\n\r\n"
      "pre\xC3\xA4mble\r\n--a b\r\n"
      "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
      "\xC3\xA4\r\n--a b \r\n"
      "Content-Type: image/x\r\nContent-Transfer-Encoding: binary\r\n\r\n"
      "\x01\xFF\r\n--a b\r\n"
      "Content-Type: image/y\r\nContent-Transfer-Encoding: base64\r\n\r\n"
      "AAAA\r\n--a b\r\n"
      "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
      "Subject: \xC3\xA4 inner\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n"
      "--c\r\n\r\n\xE4\r\n--c--\r\nepilogue\r\n--a b--\r\nend\r\n";
  CHECK(converted(content) ==
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"a b\"\r\n"
        "Content-Transfer-Encoding: 7bit\r\n\r\n"
        "pre??mble\r\n--a b\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        "=C3=A4\r\n--a b\r\n"
        "Content-Type: image/x\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        "Af8=\r\n--a b\r\n"
        "Content-Type: image/y\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        "AAAA\r\n--a b\r\n"
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
        "Subject: =?utf-8?B?w6Q=?= inner\r\nContent-Type: multipart/alternative; boundary=c\r\n"
        "Content-Transfer-Encoding: 7bit\r\n\r\n"
        "--c\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=E4\r\n--c--\r\nepilogue\r\n"
        "--a b--\r\nend\r\n");
}

TEST_CASE("seven bit: what cannot be told apart is still harmless", "[seven_bit]") {
  const char* const strange[] = {
      "Content-Type: multipart/mixed\r\n\r\n--x\r\n\xE4\r\n",            // no boundary
      "Content-Type: multipart/mixed; boundary=\r\n\r\n--\r\n\xE4\r\n",  // an empty one
      "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nSubject: cut\r\n--x--\r\n\xE4",
      "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: \xE4\r\n",
      "no header at all \xE4\r\nx\r\n",
      "X: \xE4\r\n\t\xE4\xE4 b\r\n\r\n",
      ": \xE4\r\n\r\n\xE4\n\xE4\r\xE4",
      "\xE4",
  };
  for (const char* content : strange) {
    INFO(content);
    (void)converted(content);
  }
  (void)converted(std::string("Content-Transfer-Encoding: binary\r\n\r\n") +
                  std::string(9000, '\r'));
  (void)converted("X: y\r\n" + std::string(300000, '\xE4'));
}

TEST_CASE("seven bit: fields in UTF-8 may stay, the rest does not", "[seven_bit]") {
  auto kept = [](std::string_view content) {
    SevenBit converter(true);
    std::string out;
    converter.convert(content, out);
    converter.finish(out);
    return out;
  };
  CHECK(kept("Subject: \xC3\xA4\r\n \xC3\xB6\r\nX: \xE4\r\nMIME-Version: 1.0\r\n"
             "Content-Type: text/plain\r\n\r\n\xC3\xA4\r\n") ==
        "Subject: \xC3\xA4\r\n \xC3\xB6\r\nX: =?unknown-8bit?B?5A==?=\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        "=C3=A4\r\n");
}
