// Tag lists (RFC 6376 3.2).
#include <catch2/catch.hpp>

#include "common/authentication/dkim/tag_list.h"

using namespace postwain::authentication::dkim;

TEST_CASE("dkim: tag lists that are right") {
  auto list = TagList::read(" a = 1 ;\r\n\tB_2=x y=z;c=;\r\n d= \xc3\xa4 ; ");
  REQUIRE(list.ok());
  REQUIRE(list->tags().size() == 4);
  CHECK(list->find("a")->value == "1");
  CHECK(list->find("a")->raw == " 1 ");
  CHECK(list->find("B_2")->value == "x y=z");
  CHECK(list->find("c")->value.empty());
  CHECK(list->find("d")->value == "\xc3\xa4");
  CHECK(list->find("A") == nullptr);
  CHECK(TagList::read("a=1").ok());
  CHECK(TagList::read("a=1;").ok());
  CHECK(TagList::read("a=1;\r\n").ok());
  CHECK(TagList::read("a=x\r\n y").ok());
}

TEST_CASE("dkim: tag lists that are wrong") {
  for (std::string_view text :
       {"",       " ",        ";",      "a",       "a=1;;b=2",      "a=1;b",     "=1",
        "1a=1",   "a-b=1",    "a b=1",  "a=1;a=2", "a=1; a = 2",    "a=\x01",    "a=\x7f",
        "a=\xff", "a=x\r\ny", "a=x\ny", "a=x\ry",  "a=x\r\n\r\n y", "\xc3\xa4=1"}) {
    CAPTURE(text);
    CHECK_FALSE(TagList::read(text).ok());
  }
  CHECK_FALSE(TagList::read(std::string_view("a=\0", 3)).ok());
}

TEST_CASE("dkim: tag lists are bounded") {
  std::string many;
  for (std::size_t i = 0; i < kTagsMax; ++i) many += "t" + std::to_string(i) + "=;";
  CHECK(TagList::read(many).ok());
  CHECK_FALSE(TagList::read(many + "u=").ok());
  std::string value(kTagListOctetsMax - 2, 'x');
  CHECK(TagList::read("a=" + value).ok());
  CHECK_FALSE(TagList::read("a=x" + value).ok());
}

TEST_CASE("dkim: parts of tags") {
  CHECK(trim_fws("\r\n a\t") == "a");
  CHECK(trim_fws(" \r\n").empty());
  CHECK(without_fws(" a\r\n\tb c") == "abc");
  CHECK(list_parts("a : b\r\n :c", ':', 3) == std::vector<std::string_view>{"a", "b", "c"});
  CHECK(list_parts("", ':', 3) == std::vector<std::string_view>{""});
  CHECK(list_parts("a:b:c", ':', 2).empty());
}
