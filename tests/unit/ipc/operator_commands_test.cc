// The table of operators' commands, which both sides go by.
#include <catch2/catch.hpp>

#include <set>
#include <string>

#include "common/ipc/operator_commands.h"

using namespace postwain::ipc;

namespace {

OperatorCommand nth(std::size_t i) {
  return static_cast<OperatorCommand>(i);
}

}  // namespace

TEST_CASE("each command of operators is found by its word, and by no other") {
  std::set<std::string> words;
  for (std::size_t i = 0; i < kOperatorCommands; ++i) {
    const OperatorCommandInfo& info = info_of(nth(i));
    CAPTURE(info.word);
    CHECK(info.command == nth(i));
    CHECK(words.insert(std::string(info.word)).second);
    REQUIRE(find_operator_command(info.word) != nullptr);
    CHECK(find_operator_command(info.word)->command == nth(i));
  }
  for (const char* none : {"", "queue", "list", "queue  list", "queue list ", "Status", "restart"})
    CHECK(find_operator_command(none) == nullptr);
  CHECK(last_word_of(OperatorCommand::queue_list) == "list");
  CHECK(last_word_of(OperatorCommand::trace) == "trace");
}

TEST_CASE("viewers may use what they always could") {
  std::set<std::string> words;
  for (std::size_t i = 0; i < kOperatorCommands; ++i)
    if (info_of(nth(i)).user == CommandUser::viewer)
      words.insert(std::string(info_of(nth(i)).word));
  CHECK(words == std::set<std::string>{"status", "queue list", "queue show", "queue stats",
                                       "queue destinations", "queue way", "trace", "watch",
                                       "cluster status"});
  // These change nothing either, but show content.
  CHECK_FALSE(info_of(OperatorCommand::queue_content).changes);
  CHECK_FALSE(info_of(OperatorCommand::queue_backup).changes);
}

TEST_CASE("commands say what they take") {
  using Argument = CommandArgument;
  // What can be tried without effect is what acts on messages.
  for (std::size_t i = 0; i < kOperatorCommands; ++i) {
    const OperatorCommandInfo& info = info_of(nth(i));
    CAPTURE(info.word);
    CHECK(info.arguments.has(Argument::dry_run) ==
          (info.changes && info.arguments.has(Argument::filter)));
  }
  CHECK(info_of(OperatorCommand::queue_suspend).arguments.has(Argument::for_time));
  CHECK_FALSE(info_of(OperatorCommand::queue_resume).arguments.has(Argument::for_time));
  CHECK(std::string(name_of(Argument::for_time)) == "for");
  CHECK(std::string(name_of(Argument::offset)) == "offset");
  CHECK(std::string(name_of(Argument::trouble)) == "trouble");
}
