// A bundle: the configuration file, its includes and every file it names (certificate, key,
// recipient lists, credentials), read once by the supervisor. Children get it over a descriptor, so
// they open no file and need no right to: what a process may know is decided by which files are put
// into its bundle.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/config/config.h"
#include "common/config/named_file.h"

namespace postwain::config {

struct Bundle {
  std::string main_file;                     // as the user named it; used in Origin
  std::map<std::string, std::string> files;  // path as written in the configuration -> content
};

std::string encode_bundle(const Bundle& bundle);
Result<Bundle> decode_bundle(std::string_view bytes);

struct Loaded {
  Bundle bundle;
  std::vector<NamedFile> named_files;   // those the configuration names, without its own files
  Config config;                        // usable only when diagnostics is empty
  std::vector<Diagnostic> diagnostics;  // every mistake found, in file order
  std::vector<Diagnostic> warnings;
};

// Reads FILE, its includes and the files it names. Never partial: all mistakes are reported at
// once.
Loaded load(const std::string& file);
// The same from memory; no file is touched. load() of the same files and parse() of its bundle give
// the same Config.
Loaded parse(Bundle bundle);

}  // namespace postwain::config
