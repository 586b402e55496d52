// Where in the configuration a value stands, and what is wrong there.
#pragma once

#include <string>

namespace postwain::config {

// Where in the configuration something stands: what `explain` and log lines name. line 0: a
// default.
struct Origin {
  std::string file;
  int line = 0;
  int column = 0;
  std::string text() const;  // "postwain.toml:12:1", "default"
};

// One mistake in the configuration; text() is "FILE:LINE:COLUMN: message".
struct Diagnostic {
  Origin origin;
  std::string message;
  std::string text() const;
};

}  // namespace postwain::config
