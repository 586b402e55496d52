#include "common/daemon/peer_users.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "common/base/text.h"

namespace postwain::daemon {

namespace {

// Those that are processes with a user of their own; the others are known by being root or us.
constexpr std::array kRoles{ipc::Role::smtpd,   ipc::Role::smtp_client, ipc::Role::lmtp_client,
                            ipc::Role::metrics, ipc::Role::tokens,      ipc::Role::reporter,
                            ipc::Role::pickup,  ipc::Role::filter,      ipc::Role::signer};

}  // namespace

std::string encode(const PeerUsers& users) {
  std::string out;
  for (const auto& [role, uid] : users) out += fmt::format("{} {}\n", ipc::name_of(role), uid);
  return out;
}

PeerUsers decode_peer_users(std::string_view text) {
  PeerUsers out;
  for (std::string_view line : split(text, '\n')) {
    std::size_t space = line.find(' ');
    if (space == std::string_view::npos) continue;
    auto uid = parse_decimal<std::uint32_t>(line.substr(space + 1));
    for (ipc::Role role : kRoles)
      if (uid && ipc::name_of(role) == line.substr(0, space)) out[role] = *uid;
  }
  return out;
}

std::string encode(const Groups& groups) {
  std::string out;
  for (std::uint32_t gid : groups) out += fmt::format("{}\n", gid);
  return out;
}

Groups decode_groups(std::string_view text) {
  Groups out;
  for (std::string_view line : split(text, '\n'))
    if (auto gid = parse_decimal<std::uint32_t>(line); gid && out.size() < kViewersMax)
      out.insert(*gid);
  return out;
}

namespace {

bool is_user_name(std::string_view name) {
  constexpr std::size_t kNameMax = 64;
  if (name.empty() || name.size() > kNameMax) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return is_alnum(c) || std::string_view("_-.@+$").find(c) != std::string_view::npos;
  });
}

void add(LocalUsers& users, std::string_view name, std::string_view number) {
  auto uid = parse_decimal<std::uint32_t>(number);
  if (uid && is_user_name(name) && users.size() < kLocalUsersMax)
    users.try_emplace(*uid, std::string(name));
}

}  // namespace

LocalUsers local_users(std::string_view passwd) {
  LocalUsers out;
  for (std::string_view line : split(passwd, '\n')) {
    std::vector<std::string_view> fields = split(line, ':');
    if (fields.size() == 7) add(out, fields[0], fields[2]);
  }
  return out;
}

std::string encode(const LocalUsers& users) {
  std::string out;
  for (const auto& [uid, name] : users) out += fmt::format("{} {}\n", uid, name);
  return out;
}

LocalUsers decode_local_users(std::string_view text) {
  LocalUsers out;
  for (std::string_view line : split(text, '\n')) {
    std::size_t space = line.find(' ');
    if (space != std::string_view::npos) add(out, line.substr(space + 1), line.substr(0, space));
  }
  return out;
}

}  // namespace postwain::daemon
