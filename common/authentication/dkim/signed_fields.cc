#include "common/authentication/dkim/signed_fields.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "common/base/text.h"

namespace postwain::authentication::dkim {

namespace {

constexpr std::string_view kSignature = "dkim-signature";
constexpr std::string_view kNeverSigned[] = {"received", "return-path", "authentication-results",
                                             kSignature, "arc-*"};

bool name_fits(std::string_view name, std::string_view pattern) {
  if (!pattern.ends_with('*')) return iequals(name, pattern);
  return istarts_with(name, pattern.substr(0, pattern.size() - 1));
}

// A ";" in a name would end the tag (RFC 6376 2.10).
bool may_be_signed(std::string_view name) {
  return name.size() <= kNameToSignOctetsMax && name.find(';') == std::string_view::npos &&
         std::none_of(std::begin(kNeverSigned), std::end(kNeverSigned),
                      [&](std::string_view one) { return name_fits(name, one); });
}

class NameList {
 public:
  explicit NameList(const HeaderList& header) : header_(header) {}
  void add_choice(std::string_view wanted, std::size_t more) {
    if (!wanted.ends_with('*')) return add_allowed(wanted, more);
    for (const HeaderList::Field& field : header_.fields())
      if (name_fits(field.name, wanted)) add_allowed(field.name, more);
  }
  // So often as it is there, and so many times more.
  void add(std::string_view name, std::size_t more) {
    if (is_full() || !seen_.insert(to_lower(name)).second) return;
    std::size_t count = std::min(header_.named(name).size() + more, kNamesToSignMax + 1);
    names_.insert(names_.end(), count, std::string(name));
  }
  std::vector<std::string> take() { return std::move(names_); }
  bool is_full() const { return names_.size() > kNamesToSignMax; }

 private:
  void add_allowed(std::string_view name, std::size_t more) {
    if (may_be_signed(name)) add(name, more);
  }

  const HeaderList& header_;
  std::vector<std::string> names_;
  std::set<std::string> seen_;
};

}  // namespace

Result<std::vector<std::string>> fields_to_sign(const HeaderList& header,
                                                const FieldChoice& choice) {
  std::size_t from = header.named("From").size();
  if (from != 1)
    return Error{from == 0 ? "the message has no From field"
                           : "the message has several From fields"};
  NameList list(header);
  list.add_choice("From", 1);
  for (const std::string& name : choice.oversigned) list.add_choice(name, 1);
  for (const std::string& name : choice.others) list.add_choice(name, 0);
  if (choice.signatures) list.add(kSignature, 0);
  if (list.is_full()) return Error{"the message has more fields than a signature can name"};
  return list.take();
}

}  // namespace postwain::authentication::dkim
