#include "common/authentication/dkim/body_hashes.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace postwain::authentication::dkim {

std::size_t BodyHashes::want(const BodyWish& wish) {
  for (std::size_t i = 0; i < wishes_.size(); ++i)
    if (wishes_[i].wish == wish) return i;
  bool made = std::any_of(forms_.begin(), forms_.end(),
                          [&](const CanonicalBody& one) { return one.form() == wish.form; });
  if (!made) forms_.emplace_back(wish.form);
  Wished wished{wish, wish.limit.value_or(std::numeric_limits<std::uint64_t>::max())};
  wishes_.push_back(std::move(wished));
  return wishes_.size() - 1;
}

CanonicalBody::Emit BodyHashes::sink(Canonical form) {
  return [this, form](std::string_view text) {
    for (Wished& one : wishes_) {
      if (one.wish.form != form) continue;
      std::string_view part =
          text.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(one.left, text.size())));
      one.sum.take(part);
      one.left -= part.size();
    }
  };
}

void BodyHashes::take(std::string_view piece) {
  for (CanonicalBody& form : forms_) form.take(piece, sink(form.form()));
}

void BodyHashes::end() {
  for (CanonicalBody& form : forms_) form.end(sink(form.form()));
  for (Wished& one : wishes_) one.hash = one.sum.finish();
  ended_ = true;
}

std::uint64_t BodyHashes::octets(std::size_t number) const {
  for (const CanonicalBody& form : forms_)
    if (form.form() == wishes_[number].wish.form) return form.octets();
  return 0;
}

}  // namespace postwain::authentication::dkim
