// Answers that would be too large for a frame.
#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>

#include "common/ipc/messages.h"
#include "qmgr/control/json/json_text.h"
#include "qmgr/control/json/queue_json.h"
#include "qmgr/control/json/trace_json.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::qmgr;
using Json = nlohmann::ordered_json;

namespace {

const IsActive kNone = [](mail::QueueId, std::uint32_t) { return false; };

StoredMessage giant_message(std::size_t recipients, std::size_t octets) {
  StoredMessage message;
  message.info = test::make_message(100, {}).info;
  message.info.arrival.account = std::string(octets, '\x01');
  for (std::size_t i = 0; i < recipients; ++i) {
    StoredRecipient r;
    r.index = static_cast<std::uint32_t>(i);
    r.recipient.address =
        mail::Address::from_text(std::string(octets, '\x01') + std::to_string(i) + "@x.test");
    r.recipient.orcpt = std::string(octets, '"');
    r.destination = std::string(octets, '\x02');
    r.last.at = test::at(5);
    r.last.reply = {450, {4, 2, 0}, std::string(octets, '"')};
    message.recipients.push_back(std::move(r));
  }
  return message;
}

}  // namespace

TEST_CASE("S16: a list of giant recipients comes in parts that fit") {
  StoredMessage message = giant_message(400, 5000);
  for (auto* make : {&json_listed, &json_shown}) {
    std::vector<std::string> parts = (*make)(message, kNone, false);
    CHECK(parts.size() > 1);
    std::size_t seen = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      CHECK(parts[i].size() <= 2 * kJsonPartMax);
      Json part = Json::parse(parts[i], nullptr, false);
      REQUIRE(part.is_object());
      CHECK(part["id"].get<std::string>() == message.info.id.text());
      CHECK(part.contains("continued") == (i > 0));
      CHECK(part.contains("sender") == (i == 0));
      seen += part["recipients"].size();
    }
    CHECK(seen == message.recipients.size());
  }
}

TEST_CASE("S16: an ordinary message is one part with every octet of it") {
  StoredMessage message = giant_message(3, 300);
  std::vector<std::string> parts = json_shown(message, kNone, false);
  REQUIRE(parts.size() == 1);
  Json shown = Json::parse(parts[0]);
  CHECK(shown["recipients"].size() == 3);
  CHECK(shown["recipients"][1]["address"].get<std::string>() ==
        message.recipients[1].recipient.address.text());
  message.recipients.clear();
  CHECK(Json::parse(json_listed(message, kNone, false).at(0))["recipients"].empty());
}

TEST_CASE("S16: a text that is too long is cut, with a word about it") {
  std::string json = write_json(Json{{"account", std::string(3'000'000, '\x01')}, {"n", 1}});
  CHECK(json.size() < 7 * kJsonTextMax);
  Json read = Json::parse(json);
  auto text = read["account"].get<std::string>();
  CHECK(text.substr(kJsonTextMax) == "... [cut, 3000000 octets in all]");
  CHECK(read["n"].get<int>() == 1);
  // Nor do octets that are no UTF-8 stop it.
  CHECK(Json::parse(write_json(Json{{"a", "\xff\xc3"}})).is_object());
}

TEST_CASE("S17: the trace of very many large events fits into a frame") {
  Timeline timeline;
  timeline.id = mail::QueueId{100};
  timeline.known = true;
  for (std::uint32_t i = 0; i < 1000; ++i) {
    TimelineRecipient r;
    r.index = i;
    r.address = std::string(60, 'u') + std::to_string(i) + "@" + std::string(180, 'd') + ".test";
    r.destination = "mx:" + std::string(180, 'd') + ".test";
    for (int n = 0; n < 5; ++n) {
      TimelineEvent event;
      event.kind = HistoryKind::deferred;
      event.at = test::at(n);
      event.host = std::string(250, 'm');
      event.reply = "450 " + std::string(500, '"');
      r.events.push_back(event);
    }
    timeline.recipients.push_back(std::move(r));
  }
  std::string json = json_trace(timeline, std::nullopt, kNone);
  CHECK(json.size() < ipc::kFrameMax - 1000);
  Json read = Json::parse(json, nullptr, false);
  REQUIRE(read.is_object());
  CHECK_FALSE(read["complete"].get<bool>());
  CHECK(read["recipients"].size() == 1000);
  CHECK(read["recipients"][0]["events"].size() == 7);  // received, routed, five attempts
  timeline.recipients.resize(2);
  CHECK(Json::parse(json_trace(timeline, std::nullopt, kNone))["complete"].get<bool>());
  timeline.account = std::string(3'000'000, '"');
  CHECK(json_trace(timeline, std::nullopt, kNone).size() < 100'000);
}
