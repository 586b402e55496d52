// The sample reports are reports like any other.
#include <catch2/catch.hpp>

#include "postwain/explain/bounce_preview.h"

using namespace postwain;
using namespace postwain::tool;

TEST_CASE("samples of every kind") {
  struct {
    notice::DsnAction action;
    const char* field;
    std::size_t recipients;
  } rows[] = {{notice::DsnAction::failed, "\r\nAction: failed\r\n", 4},
              {notice::DsnAction::delayed, "\r\nAction: delayed\r\n", 1},
              {notice::DsnAction::relayed, "\r\nAction: relayed\r\n", 1}};
  for (const auto& row : rows) {
    notice::DsnRequest request =
        sample_request(row.action, "mx.test", "postmaster@test", from_unix_ms(1'800'000'000'000));
    REQUIRE(request.recipients.size() == row.recipients);
    notice::Dsn dsn = notice::build_dsn(request, sample_original());
    REQUIRE(dsn.content.find(row.field) != std::string::npos);
    REQUIRE(dsn.content.find("Original-Envelope-Id: SAMPLE-1\r\n") != std::string::npos);
    bool whole = row.action == notice::DsnAction::failed;
    REQUIRE((dsn.content.find("here are the minutes") != std::string::npos) == whole);
  }
}
