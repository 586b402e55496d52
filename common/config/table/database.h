// A PostgreSQL database that the configuration names (common/config/document/database_address.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace postwain::config {

constexpr std::uint16_t kDatabasePort = 5432;

struct DatabaseHost {
  std::string name;  // a host, an IP address, or the folder of a Unix socket, which begins with '/'
  std::uint16_t port = kDatabasePort;

  bool is_local() const { return name.starts_with('/'); }
  bool operator==(const DatabaseHost&) const = default;
};

struct DatabaseAddress {
  std::vector<DatabaseHost> hosts;  // tried in this order; never empty in what was read
  std::string database;
  std::string user;

  // For a person: "database postwain at /run/postgresql as postwain". It has no secret in it.
  std::string text() const;
  // As libpq takes it, and parse_database_address() behind "postgresql:": its keywords.
  std::string conninfo() const;
  bool operator==(const DatabaseAddress&) const = default;
};

}  // namespace postwain::config
