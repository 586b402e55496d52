// Answers of a qmgr that was taken over.
#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>

#include "postwain/client/json_member.h"
#include "postwain/client/present.h"
#include "postwain/commands/destination_command.h"
#include "postwain/commands/trace_command.h"
#include "postwain/commands/watch_command.h"

using namespace postwain;
using namespace postwain::tool;
using Json = nlohmann::ordered_json;

TEST_CASE("S13: members of another type count as absent") {
  for (const char* value : {"null", "1", "-1", "1e300", "18446744073709551615", "\"x\"", "true",
                            "[]", "[1,\"a\",{}]", "{}", "{\"a\":1}"}) {
    CAPTURE(value);
    Json object = parse_answer(std::string(R"({"k":)") + value + "}");
    CHECK_NOTHROW(raw_member(object, "k"));
    CHECK_NOTHROW(text_member(object, "k"));
    CHECK_NOTHROW(number_member(object, "k"));
    CHECK_NOTHROW(real_member(object, "k"));
    CHECK_NOTHROW(flag_member(object, "k"));
    CHECK(list_member(object, "k").is_array());
    for (const std::string& text : texts_member(object, "k")) CHECK(text == "a");
    CHECK_FALSE(error_member(object, "otherwise").empty());
  }
  CHECK(number_member(parse_answer(R"({"k":18446744073709551615})"), "k") == INT64_MAX);
  CHECK(error_member(parse_answer(R"({"error":7})"), "otherwise") == "otherwise");
}

TEST_CASE("S13: what is no object, or too deep, is an empty one") {
  for (const std::string& text :
       {std::string("7"), std::string("[]"), std::string("{"), std::string(),
        std::string(100'000, '['), std::string(R"({"a":)") + std::string(100'000, '['),
        R"({"a":)" + std::string(1000, '[') + std::string(1000, ']') + "}"})
    CHECK((parse_answer(text) == Json::object()));
}

TEST_CASE("S13: no answer makes showing it throw") {
  const char* keys[] = {"id",         "sender",     "size",      "recipients", "messages",
                        "queue",      "events",     "processes", "not_shown",  "dropped",
                        "state",      "address",    "time",      "event",      "stages_ms",
                        "window",     "queued",     "draining",  "version",    "complete",
                        "message_id", "last_reply", "in_doubt",  "continued"};
  const char* values[] = {"null", "7",
                          "-3.5", "\"x\\u009b\"",
                          "[]",   "[7]",
                          "[[]]", R"([{"address":[],"events":[3,{"stages_ms":{"a":-9e9}}]}])",
                          "{}",   R"({"messages":[]})"};
  for (const char* key : keys)
    for (const char* value : values) {
      std::string json = std::string("{\"") + key + "\":" + value + "}";
      CAPTURE(json);
      for (auto* show :
           {&message_details, &status_lines, &value_lines, &timeline_text, &event_line}) {
        std::string text;
        CHECK_NOTHROW(text = (*show)(json));
        CHECK(text.find('\x9b') == std::string::npos);
      }
      CHECK_NOTHROW(message_line(json, true));
      CHECK_NOTHROW(destination_line(json, true));
    }
}

TEST_CASE("trace tells apart where an order was given and which node has carried it out") {
  const std::string text = timeline_text(
      R"({"id":"1","recipients":[{"address":"x@a.test","state":"held","events":[)"
      R"({"time":"2026-12-01T10:00:00Z","event":"held","who":"ann (uid 0, pid 7) on mx2",)"
      R"("node":"mx1"},{"time":"2026-12-01T10:00:01Z","event":"deferred","took_ms":12,)"
      R"("node":"mx1"}]}]})");
  CHECK(text.find("held by ann (uid 0, pid 7) on mx2, carried out by node mx1\n") !=
        std::string::npos);
  CHECK(text.find("deferred, took 12ms, at node mx1\n") != std::string::npos);
}

TEST_CASE("low: JSON on a terminal holds no control character and nothing beyond ASCII") {
  // CSI as one character, and a mark that turns the direction of writing.
  std::string json = "{\"a\":\"\xc2\x9b[2J\xe2\x80\xae x\"}";
  CHECK(json_line(json, false) == json);
  std::string shown = json_line(json, true);
  for (char c : shown) CHECK((c >= ' ' && c <= '~'));
  CHECK((Json::parse(shown) == Json::parse(json)));
  for (char c : json_line("\xc2\x9bno json\x1b", true)) CHECK((c >= ' ' && c <= '~'));
}
