#include "common/milter/edit_list.h"

namespace postwain::milter {

void EditList::clear() {
  edits_.clear();
  count_ = 0;
  added_header_ = 0;
  added_recipients_ = 0;
  refused_ = 0;
}

bool EditList::add(Edit edit) {
  if (edit.kind != Edit::Kind::replace_body && ++count_ > kEditsMax) return false;
  if ((action_of(edit.kind) & allowed_) == 0) {
    ++refused_;
    return true;
  }
  switch (edit.kind) {
    case Edit::Kind::add_header:
    case Edit::Kind::insert_header:
    case Edit::Kind::change_header:
      added_header_ += edit.name.size() + edit.value.size();
      break;
    case Edit::Kind::add_recipient:
      ++added_recipients_;
      break;
    default:
      break;
  }
  if (added_header_ > kAddedHeaderMax || added_recipients_ > kRecipientsAddedMax) return false;
  edits_.push_back(std::move(edit));
  return true;
}

}  // namespace postwain::milter
