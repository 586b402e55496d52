// Shell completion from the commands themselves: what may follow which words. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace postwain::tool {

struct CommandWords {
  std::string path;                // "queue list"; empty: postwain itself
  std::vector<std::string> words;  // subcommands and options that may follow
};

// A script for bash, zsh or fish; nothing for another shell.
std::optional<std::string> completion_script(const std::string& shell,
                                             const std::vector<CommandWords>& commands);

}  // namespace postwain::tool
