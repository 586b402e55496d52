// What filters said of a message, in words.
#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>

#include "postwain/commands/judgement_text.h"

using namespace postwain::tool;

namespace {

std::string lines(const char* judgements) {
  return judgement_lines(nlohmann::ordered_json::parse(judgements));
}

}  // namespace

TEST_CASE("judgements as trace shows them") {
  CHECK(lines(R"({})").empty());
  CHECK(lines(R"({"judgements":[]})").empty());
  CHECK(lines(R"({"judgements":[{"filter":"rspamd","stage":"end of message","verdict":"refuse",)"
              R"("text":"554 5.7.1 Spam","ms":184,"mode":"enforce","edits":0,"score":17.2,)"
              R"("score_limit":15.0,"scores":[{"name":"BAYES_SPAM","score":5.1},)"
              R"({"name":"GOOD","score":-0.5}]}]})") ==
        "  filter rspamd at end of message: refuse 554 5.7.1 \"Spam\" score 17.2/15 "
        "(BAYES_SPAM 5.1, GOOD -0.5) 184 ms\n");
  CHECK(lines(R"({"judgements":[{"filter":"a","stage":"MAIL","verdict":"accept","text":"",)"
              R"("ms":1,"mode":"enforce","edits":2,"edited":{"headers":1,"body":true,)"
              R"("recipients":0,"sender":false},"not_allowed":3}],"judgements_cut":true})") ==
        "  filter a at MAIL: accept, 2 edits (1 of the header, the body), 3 not allowed 1 ms\n"
        "  (what filters said is not shown whole: it was too long to be kept)\n");
  CHECK(
      lines(R"({"judgements":[{"filter":"a","stage":"MAIL","verdict":"accept","text":"gone",)"
            R"("ms":0,"mode":"watch","edits":0,"failure":"closed"},{"filter":"","stage":)"
            R"("end of message","verdict":"defer","text":"","ms":0,"failure":"unreachable"}]})") ==
      "  filter a at MAIL: failed, closed \"gone\", only watched 0 ms\n"
      "  no filter at end of message: failed, unreachable, then defer 0 ms\n");
}

TEST_CASE("an answer that is no list of judgements shows nothing") {
  CHECK(lines(R"({"judgements":"x"})").empty());
  CHECK(lines(R"({"judgements":[1,"x",null]})").empty());
  CHECK(lines(R"({"judgements":[{}]})") == "  no filter at :  0 ms\n");
}
