// A file that the configuration names, and what it is for.
#pragma once

#include <cstdint>
#include <string>

namespace postwain::config {

// What the file is for. This decides which processes get its content in their bundle.
enum class FileUse : std::uint8_t {
  certificate,
  key,
  users,
  recipients,
  credential,
  client_certificate,  // what a route shows; public
  bounce_text,
  addresses,
  signing_key,  // of reports
  dkim_key,     // of mail that leaves
  srs_secret,
  database_secret,
  database_roots,
  database_certificate,  // what we show to the database; public
  database_key,
};
struct NamedFile {
  std::string path;  // as written
  FileUse use;
};

}  // namespace postwain::config
