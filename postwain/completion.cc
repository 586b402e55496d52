#include "postwain/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace postwain::tool {

namespace {

constexpr const char* kStates = "queued deferred held active";

// "X Y" for every command Y below X, quoted and joined: what makes the path longer.
std::string steps(const std::vector<CommandWords>& commands, const char* separator) {
  std::string out;
  for (const CommandWords& one : commands) {
    if (one.path.empty()) continue;
    std::size_t space = one.path.rfind(' ');
    std::string step = space == std::string::npos ? " " + one.path : one.path;
    out += fmt::format("{}'{}'", out.empty() ? "" : separator, step);
  }
  return out;
}

std::string bash(const std::vector<CommandWords>& commands) {
  std::string out = fmt::format(
      R"(_postwain() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} command= words= i
  case $previous in
    -c|--config) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --state) COMPREPLY=($(compgen -W '{}' -- "$current")); return ;;
  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$command ${{COMP_WORDS[i]}}" in
      {}) command="${{command:+$command }}${{COMP_WORDS[i]}}" ;;
    esac
  done
  case $command in
)",
      kStates, steps(commands, "|"));
  for (const CommandWords& one : commands)
    out += fmt::format("    '{}') words='{}' ;;\n", one.path, fmt::join(one.words, " "));
  return out + R"(  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _postwain postwain
)";
}

std::string zsh(const std::vector<CommandWords>& commands) {
  std::string out = fmt::format(
      R"(#compdef postwain
_postwain() {{
  local command= i
  local -a candidates
  case $words[CURRENT-1] in
    (-c|--config) _files; return ;;
    (--state) compadd -- {}; return ;;
  esac
  for ((i = 2; i < CURRENT; i++)); do
    case "$command $words[i]" in
      ({}) command="${{command:+$command }}$words[i]" ;;
    esac
  done
  case $command in
)",
      kStates, steps(commands, "|"));
  for (const CommandWords& one : commands)
    out += fmt::format("    ('{}') candidates=({}) ;;\n", one.path, fmt::join(one.words, " "));
  return out + R"(  esac
  compadd -- $candidates
}
_postwain "$@"
)";
}

std::string fish(const std::vector<CommandWords>& commands) {
  std::string out = fmt::format(
      R"(function __postwain_command
    set -l command ''
    for word in (commandline -opc)[2..-1]
        switch "$command $word"
            case {}
                set command (string trim "$command $word")
        end
    end
    echo $command
end
complete -c postwain -f
complete -c postwain -s c -l config -r -F
complete -c postwain -l state -x -a '{}'
)",
      steps(commands, " "), kStates);
  for (const CommandWords& one : commands)
    out +=
        fmt::format("complete -c postwain -n 'test \"$(__postwain_command)\" = \"{}\"' -a '{}'\n",
                    one.path, fmt::join(one.words, " "));
  return out;
}

}  // namespace

std::optional<std::string> completion_script(const std::string& shell,
                                             const std::vector<CommandWords>& commands) {
  if (shell == "bash") return bash(commands);
  if (shell == "zsh") return zsh(commands);
  if (shell == "fish") return fish(commands);
  return std::nullopt;
}

}  // namespace postwain::tool
