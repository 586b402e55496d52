// The address of a PostgreSQL database as the configuration has it: a URI as libpq takes it
// ("postgresql://user@db1,db2:5433/name", "postgresql:///name?host=/run/postgresql"), or its
// keywords behind "postgresql:" ("postgresql:host=/run/postgresql dbname=name"). Read here, so that
// a mistake is told with its place before anything is started, and so that nothing else than what
// is known here reaches the library. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "common/config/table/database.h"

namespace postwain::config {

constexpr std::size_t kDatabaseAddressMax = 2048;  // octets
constexpr std::size_t kDatabaseHostsMax = 16;
constexpr std::size_t kNodeNameMax = 63;  // octets

// The scheme in front of such an address, with its colon.
bool has_database_scheme(std::string_view text);

// Nothing: it is none, and `why` tells a person what is wrong with it, and quotes nothing of it. A
// password in it is refused,
// since what holds the address may be shown. Where a part is absent: the socket folder
// /run/postgresql, the port 5432, and "postwain" for the database and the user.
std::optional<DatabaseAddress> parse_database_address(std::string_view text, std::string& why);

// The password of a file: its first line without blanks at the end. Nothing: that is empty, or
// longer than 1,024 octets.
std::optional<std::string> database_password(std::string_view content);

// The name of a machine in its database, where none is given: the first label of its own name.
std::string default_node_name(const std::string& hostname);

}  // namespace postwain::config
