// The walk up the tree (RFC 9989 4.10), by the examples of its text and appendix B.3.
#include <catch2/catch.hpp>

#include "common/authentication/dmarc/tree_walk.h"

using namespace postwain::authentication;

namespace {

std::string names_of(std::string_view domain) {
  std::string out;
  for (std::string_view name : walk_names(domain)) out += std::string(name) + " ";
  return out;
}

struct Walked {
  std::string organization;
  std::string inherited;
};

// records: "NAME" or "NAME psd=…", the longest first.
Walked walked(std::string_view start, const std::vector<std::string>& records) {
  std::vector<DmarcRecord> kept(records.size());
  std::vector<WalkRecord> found;
  for (std::size_t i = 0; i < records.size(); ++i) {
    std::size_t space = records[i].find(' ');
    if (space != std::string::npos)
      kept[i].psd = records[i].back() == 'y' ? DmarcPsd::yes : DmarcPsd::no;
    found.push_back({std::string_view(records[i]).substr(0, space), &kept[i]});
  }
  return {std::string(organizational_domain(start, found)),
          std::string(inherited_record(start, found).name)};
}

}  // namespace

TEST_CASE("tree walk: the names") {
  CHECK(names_of("com") == "com ");
  CHECK(names_of("a.mail.example.com") == "a.mail.example.com mail.example.com example.com com ");
  CHECK(names_of("a.b.c.d.e.f.g.h") ==
        "a.b.c.d.e.f.g.h b.c.d.e.f.g.h c.d.e.f.g.h d.e.f.g.h e.f.g.h f.g.h g.h h ");
  CHECK(names_of("1.a.b.c.d.e.f.g.h") ==
        "1.a.b.c.d.e.f.g.h b.c.d.e.f.g.h c.d.e.f.g.h d.e.f.g.h e.f.g.h f.g.h g.h h ");
  CHECK(names_of("a.b.c.d.e.f.g.h.i.j.mail.example.com") ==
        "a.b.c.d.e.f.g.h.i.j.mail.example.com g.h.i.j.mail.example.com h.i.j.mail.example.com "
        "i.j.mail.example.com j.mail.example.com mail.example.com example.com com ");
  std::string deep;
  for (int i = 0; i < 126; ++i) deep += "a.";
  CHECK(walk_names(deep + "b").size() == kWalkNamesMax);
}

TEST_CASE("tree walk: the organizational domain") {
  CHECK(walked("a.mail.example.com", {"mail.example.com", "example.com"}).organization ==
        "example.com");
  CHECK(walked("a.mail.example.com", {"mail.example.com psd=n"}).organization ==
        "mail.example.com");
  CHECK(walked("a.mail.example.com", {"com psd=y"}).organization == "example.com");
  CHECK(walked("a.mail.example.com", {}).organization == "a.mail.example.com");
  CHECK(walked("giant.bank.example", {"giant.bank.example", "bank.example psd=y"}).organization ==
        "giant.bank.example");
  CHECK(walked("mail.mega.bank.example", {"bank.example psd=y"}).organization ==
        "mega.bank.example");
  // A public suffix that sends mail itself.
  CHECK(walked("bank.example", {"bank.example psd=y"}).organization == "bank.example");
  CHECK(walked("x.example", {"x.example psd=n"}).organization == "x.example");
  CHECK(walked("a.b.c.d.e.f.g.h.i", {"i psd=y"}).organization == "h.i");
  // The shortcut has passed over the name one label below.
  CHECK(walked("1.2.3.a.b.c.d.e.f.g", {"a.b.c.d.e.f.g psd=y"}).organization == "3.a.b.c.d.e.f.g");
}

TEST_CASE("tree walk: the policy that is inherited") {
  CHECK(walked("a.mail.example.com", {"mail.example.com", "example.com"}).inherited ==
        "example.com");
  CHECK(walked("a.example.com", {"com psd=y"}).inherited == "com");
  CHECK(walked("a.example.com", {"example.com", "com psd=y"}).inherited == "example.com");
  CHECK(walked("a.b.example.com", {"b.example.com psd=n"}).inherited == "b.example.com");
  CHECK(walked("a.b.example.com", {"b.example.com", "com psd=y"}).inherited == "com");
  CHECK(walked("a.example.com", {}).inherited.empty());
}
