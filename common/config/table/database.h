// A PostgreSQL database that the configuration names (common/config/document/database_address.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace postwain::config {

constexpr std::uint16_t kDatabasePort = 5432;

// How the way to a host of the network is protected. There is nothing in between: what is encrypted
// for somebody who has not proven who he is protects against nobody who can do something about it.
enum class DatabaseTls : std::uint8_t { verify, off };

struct DatabaseHost {
  std::string name;  // a host, an IP address, or the folder of a Unix socket, which begins with '/'
  std::uint16_t port = kDatabasePort;

  bool is_local() const { return name.starts_with('/'); }
  // For a person: "db1.example.org:5432", "[2001:db8::1]:5432"; of a folder, its name and a port
  // that is not the usual one.
  std::string text() const;
  // An address of this machine itself (127.0.0.0/8, ::1). No name is one: a name may change.
  bool is_loopback() const;
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
  // Whether one of the hosts is reached over the network, and so by the process db-link.
  bool over_network() const;
  // As qmgr, which has no network, is to reach it: in the place of each host of the network stands
  // the folder of the socket at which db-link waits for it. The order and the ports stay.
  DatabaseAddress behind_link(const std::string& runtime_dir) const;
  bool operator==(const DatabaseAddress&) const = default;
};

// Below the folder of runtime_dir that belongs to db-link: where the socket for the host with this
// number is, in the order in which the hosts are named, and the socket itself as libpq calls it.
std::string database_link_folder(const std::string& runtime_dir, std::size_t host);
std::string database_socket_name(std::uint16_t port);

}  // namespace postwain::config
