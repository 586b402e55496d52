#include "common/authentication/dmarc/tree_walk.h"

#include <algorithm>

namespace postwain::authentication {

namespace {

// The ancestor of `name` that is one label longer than `above`, an ancestor of both.
std::string_view one_label_below(std::string_view above, std::string_view name) {
  std::size_t dot = name.size() - above.size() - 1;
  std::size_t before = dot == 0 ? std::string_view::npos : name.rfind('.', dot - 1);
  return before == std::string_view::npos ? name : name.substr(before + 1);
}

}  // namespace

std::vector<std::string_view> walk_names(std::string_view domain) {
  std::vector<std::string_view> names = {domain};
  auto labels = static_cast<std::size_t>(std::count(domain.begin(), domain.end(), '.')) + 1;
  for (std::string_view name = domain; labels > 1; --labels) {
    name.remove_prefix(name.find('.') + 1);
    if (labels <= kWalkNamesMax) names.push_back(name);
  }
  return names;
}

bool ends_walk(const DmarcRecord& record) {
  return record.psd != DmarcPsd::unknown;
}

std::string_view organizational_domain(std::string_view start,
                                       const std::vector<WalkRecord>& records) {
  for (const WalkRecord& found : records) {
    if (found.record->psd == DmarcPsd::no) return found.name;
    if (found.record->psd == DmarcPsd::yes && found.name != start)
      return one_label_below(found.name, start);
  }
  return records.empty() ? start : records.back().name;
}

WalkRecord inherited_record(std::string_view start, const std::vector<WalkRecord>& records) {
  if (records.empty()) return {};
  std::string_view organization = organizational_domain(start, records);
  for (const WalkRecord& found : records)
    if (found.name == organization) return found;
  return records.back();  // the one with psd=y, which ended the walk
}

}  // namespace postwain::authentication
