// Whatever a peer answers, the notice keeps its structure and its fields: replies, host names,
// addresses and originals from a random source, each notice taken apart again.
#include <random>

#include <catch2/catch.hpp>

#include "common/base/text.h"

#include "tests/unit/notice/read_back.h"

using namespace postwain;
using namespace postwain::notice;
using namespace postwain::notice::test;

namespace {

constexpr unsigned kSeed = 20261121;
constexpr int kNotices = 3000;

class Hostile {
 public:
  explicit Hostile(unsigned seed) : random_(seed) {}

  std::size_t below(std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_);
  }

  // Pieces that mean something to MIME, to fields or to SMTP, between noise.
  std::string text(std::size_t pieces) {
    static const std::string kPieces[] = {
        "\r\n",
        "\n",
        "\r",
        "\n\n",
        "\r\n\r\n",
        " ",
        "\t",
        "--",
        "\r\n--=_",
        "\r\n.\r\n",
        "=",
        "=3D",
        "=?utf-8?B?",
        "\\",
        "\\x",
        "${hostname}",
        "$",
        "[failed]\n",
        "\r\nAction: delivered\r\n",
        "\r\n\r\nFinal-Recipient: rfc822; evil@example.org\r\nAction: failed\r\n",
        "Content-Type: x",
        "550 5.1.1 no",
        "\xc3\xa4",
        "\xe2\x80\xae",
        "\xff",
        "\xc3",
        std::string(1, '\0'),
        "\x1b[31m",
        "word",
        "<a@example.org>",
        std::string(200, 'w'),
        std::string(1200, 'z'),
        "                  "};
    std::string out;
    for (std::size_t i = below(pieces + 1); i > 0; --i) out += kPieces[below(std::size(kPieces))];
    return out;
  }

 private:
  std::mt19937 random_;
};

}  // namespace

TEST_CASE("hostile replies never break the structure of a notice") {
  Hostile hostile(kSeed);
  INFO("seed " << kSeed);
  auto both =
      std::make_shared<const Words>(Words{*Template::shipped("en"), *Template::shipped("de")});
  for (int n = 0; n < kNotices; ++n) {
    std::size_t recipients = 1 + hostile.below(4);
    DsnRequest request = request_for(std::vector<std::string>(recipients, "bob@example.org"));
    request.action = static_cast<DsnAction>(hostile.below(5));
    request.original_max = hostile.below(2) * 5000;
    request.envid = hostile.text(3);
    if (hostile.below(2) == 0) request.words = both;
    if (hostile.below(4) == 0) request.to = mail::Address::from_text("j\xc3\xb6rg@example.com");
    for (DsnRecipient& r : request.recipients) {
      r.reply = {hostile.below(5) == 0 ? 0 : 550, {}, hostile.text(12)};
      r.remote_host = hostile.text(4);
      r.stage = static_cast<mail::Stage>(hostile.below(12));
      r.expired = hostile.below(4) == 0;
      if (hostile.below(2) == 0) r.recipient.orcpt = "rfc822;" + hostile.text(4);
    }
    // An original as the server lets it in: CRLF lines, of any other content.
    std::string original = "Subject: x\r\n\r\n";
    for (char c : hostile.text(20))
      if (c != '\r' && c != '\n') original += c;
    original += "\r\n--=_" + request.id.text() + "/mx.test--\r\n";
    request.original_size = original.size();

    Dsn dsn = build_dsn(request, original);
    if (!dsn.smtputf8 && !dsn.eight_bit) REQUIRE(is_ascii(dsn.content));
    auto parts = parts_of(dsn.content);
    REQUIRE(parts.size() == 3);
    check_lines(parts[0].body + "\r\n");
    check_lines(parts[1].body + "\r\n");
    if (parts[2].type == "message/rfc822") REQUIRE(parts[2].body == original);
    auto groups = groups_of(parts[1].body);
    REQUIRE(groups.size() == recipients + 1);
    for (std::size_t i = 1; i < groups.size(); ++i) {
      REQUIRE(mail::count_fields(groups[i], "Final-Recipient") == 1);
      REQUIRE(mail::field_value(groups[i], "Final-Recipient") == "rfc822; bob@example.org");
      REQUIRE(mail::count_fields(groups[i], "Action") == 1);
      REQUIRE(mail::field_value(groups[i], "Action") == std::string(name_of(request.action)));
      REQUIRE(mail::count_fields(groups[i], "Status") == 1);
    }
  }
}
