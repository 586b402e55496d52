#include "qmgr/model/held_domains.h"

namespace postwain::qmgr {

namespace {

constexpr std::string_view kMark = " domain=";

// Where the mark begins. A path of a socket may hold the same words, with more path behind them.
std::size_t mark_in(std::string_view destination) {
  std::size_t at = destination.rfind(kMark);
  if (at == std::string_view::npos) return at;
  bool path = destination.find('/', at) != std::string_view::npos;
  return path || at + kMark.size() == destination.size() ? std::string_view::npos : at;
}

}  // namespace

std::string domain_scope(std::string_view domain) {
  return std::string(kDomainScope).append(domain);
}

std::string_view domain_of_scope(std::string_view name) {
  if (name.substr(0, kDomainScope.size()) != kDomainScope) return {};
  return name.substr(kDomainScope.size());
}

std::string held_key(std::string_view way, std::string_view domain) {
  return std::string(way).append(kMark).append(domain);
}

std::string_view held_domain(std::string_view destination) {
  std::size_t at = mark_in(destination);
  return at == std::string_view::npos ? std::string_view() : destination.substr(at + kMark.size());
}

std::string_view unsplit_key(std::string_view destination) {
  return destination.substr(0, mark_in(destination));
}

}  // namespace postwain::qmgr
