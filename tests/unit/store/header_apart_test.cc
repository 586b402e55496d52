// Content whose body lies in a file and whose header section lies in the store.
#include <catch2/catch.hpp>

#include "tests/unit/store/store_under_test.h"

using namespace postwain;
using namespace postwain::qmgr;
using test::make_message;
using test::removal;

TEST_CASE("of content whose body lies in a file the header section is stored, also as rows") {
  test::AsCompact as_compact(GENERATE(false, true));
  test::StoreUnderTest store(GENERATE(from_range(test::engines())));
  NewMessage message = make_message(42, {"a@example.org", "b@example.org"});
  const std::string header = "Received: x\r\nSubject: large\r\n\r\n";
  message.info.in_file = true;
  message.info.header_size = static_cast<std::uint32_t>(header.size());
  message.info.size = header.size() + 100000;
  message.content = header;
  NewMessage part = message;  // a list with an owner: another message over the same body
  part.info.id = mail::QueueId{43};
  part.content.clear();
  REQUIRE(store.put(Submission{message, {part}, {}, {}}).end == AcceptEnd::stored);
  NewMessage old = make_message(44, {"a@example.org"});  // as older programs left it
  old.info.in_file = true;
  old.content.clear();
  REQUIRE(store.put(old) == AcceptEnd::stored);
  store.reopen();
  if (test::AsCompact::on() && GENERATE(false, true)) REQUIRE(store.writer().normalise_all().ok());
  for (std::uint64_t id : {42, 43}) {
    auto found = store.message(id);
    REQUIRE(found.has_value());
    CHECK(found->info.in_file);
    CHECK(found->info.header_size == header.size());
    CHECK(found->info.size == message.info.size);
    CHECK(store.content(id) == header);
    CHECK(store.content(id, 3, 5) == header.substr(3, 5));
  }
  CHECK(store.message(44)->info.header_size == 0);
  CHECK(store.content(44) == std::nullopt);
  // With the last recipient its file goes.
  Settlement all{mail::QueueId{42}, {removal(0), removal(1)}, {}};
  all.in_file = true;
  Settled settled = store.settle(all);
  CHECK(settled.message_removed);
  CHECK(settled.content_file_removed);
  CHECK(store.content(42) == std::nullopt);
}
