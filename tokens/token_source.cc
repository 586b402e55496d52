#include "tokens/token_source.h"

#include <algorithm>
#include <utility>

#include "common/base/text.h"
#include "common/config/config.h"
#include "common/log/log.h"

namespace postwain::tokens {

bool TokenSource::is_configured(const std::string& command) const {
  return std::any_of(config_.routes.begin(), config_.routes.end(), [&](const config::Route& route) {
    return route.credential.kind == mail::Credential::Kind::command &&
           route.credential.secret == command;
  });
}

void TokenSource::find(const std::string& command, bool refused, Done done) {
  if (!is_configured(command)) return done(Error{"no route names this command"});
  Entry& entry = entries_[command];
  if (entry.running == nullptr) {
    Duration age = entry.ran_at == MonoTime{}
                       ? Duration::max()
                       : std::chrono::duration_cast<Duration>(mono_now() - entry.ran_at);
    bool again = entry.token.ok() && !refused ? age >= kTokenFresh : age >= kTokenPause;
    if (!again) return done(entry.token);
    run(command, entry);
  }
  entry.waiting.push_back(std::move(done));
}

void TokenSource::run(const std::string& command, Entry& entry) {
  std::vector<std::string> words;
  for (std::string_view word : split(command, ' '))
    if (!word.empty()) words.emplace_back(word);
  entry.running = std::make_unique<net::Command>(
      loop_, words, kTokenRunMax, kTokenMax,
      [this, command](Result<std::string> output) { ended(command, std::move(output)); });
}

// The first line that is not empty; a token is visible ASCII without spaces (RFC 6750 2.1).
void TokenSource::ended(const std::string& command, Result<std::string> output) {
  Entry& entry = entries_[command];
  entry.ran_at = mono_now();
  std::unique_ptr<net::Command> over = std::move(entry.running);  // we are called from within it
  if (output) {
    std::string_view token = trim(*output);
    token = trim(token.substr(0, token.find('\n')));
    bool good = !token.empty() &&
                std::all_of(token.begin(), token.end(), [](char c) { return c > 32 && c < 127; });
    entry.token = good ? Result<std::string>(std::string(token)) : Error{"it prints no token"};
  } else {
    entry.token = output.error();
  }
  if (!entry.token)
    log::Line(log::Level::warning, "token_failed")
        .kv("command", command.substr(0, command.find(' ')))
        .kv("reason", entry.token.error().text);
  Result<std::string> token = entry.token;
  for (Done& done : std::exchange(entry.waiting, {})) done(token);
}

}  // namespace postwain::tokens
