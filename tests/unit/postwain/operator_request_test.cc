// What the command line asks qmgr, and that it has a word for each command of operators.
#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/ipc/operator_commands.h"
#include "postwain/client/operator_request.h"
#include "postwain/command_line/command_line.h"

using namespace postwain;
using namespace postwain::tool;
using ipc::OperatorCommand;

TEST_CASE("a request is the command's word and its arguments") {
  CHECK(OperatorRequest(OperatorCommand::queue_backup).text() == R"({"command":"queue backup"})");
  OperatorRequest request(OperatorCommand::queue_suspend);
  request.with(ipc::CommandArgument::destination, "x\xff.test")
      .with(ipc::CommandArgument::for_time, "2h");
  CHECK(request.text() ==
        "{\"command\":\"queue suspend\",\"destination\":\"x\xef\xbf\xbd.test\",\"for\":\"2h\"}");
}

TEST_CASE("every command of operators is a word of the command line") {
  for (std::size_t i = 0; i < ipc::kOperatorCommands; ++i) {
    auto command = static_cast<OperatorCommand>(i);
    // The supervisor's own; and those that are asked by `explain` and by `queue export`.
    if (command == OperatorCommand::processes || command == OperatorCommand::queue_way ||
        command == OperatorCommand::queue_content)
      continue;
    std::string word(ipc::word_of(command));
    CAPTURE(word);
    std::vector<std::string> words = {"postwain"};
    if (std::size_t space = word.find(' '); space != std::string::npos) {
      words.push_back(word.substr(0, space));
      word.erase(0, space + 1);
    }
    words.insert(words.end(), {word, "--help"});
    std::vector<char*> arguments;
    for (std::string& one : words) arguments.push_back(one.data());
    arguments.push_back(nullptr);
    CHECK(run_command_line(static_cast<int>(words.size()), arguments.data()) == 0);
  }
}
