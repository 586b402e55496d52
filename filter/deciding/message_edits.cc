#include "filter/deciding/message_edits.h"

#include <algorithm>
#include <utility>

namespace postwain::filter {

namespace {

using Kind = milter::Edit::Kind;

// Addresses are compared as filters write them, with their angle brackets or without.
std::string_view bare(std::string_view address) {
  if (address.size() >= 2 && address.front() == '<' && address.back() == '>')
    return address.substr(1, address.size() - 2);
  return address;
}

bool is_too_long(const milter::Edit& edit) {
  bool of_envelope = edit.kind == Kind::add_recipient || edit.kind == Kind::delete_recipient ||
                     edit.kind == Kind::change_sender;
  return of_envelope &&
         (edit.name.size() > kEditAddressMax || edit.value.size() > kEditArgumentsMax);
}

}  // namespace

bool MessageEdits::apply(const std::vector<milter::Edit>& edits, bool leading_space) {
  if (edits.empty()) return true;
  if (edits.size() * header_.shown().size() > kEditWorkMax) return false;
  MessageEdits changed = *this;
  for (const milter::Edit& edit : edits)
    if (!changed.apply_one(edit, leading_space)) return false;
  if (changed.header_.octets() > ipc::kFilterSectionMax ||
      changed.added_.size() > ipc::kFilterRecipientsMax ||
      changed.removed_.size() > ipc::kFilterRecipientsMax)
    return false;
  *this = std::move(changed);
  return true;
}

bool MessageEdits::apply_one(const milter::Edit& edit, bool leading_space) {
  if (is_too_long(edit)) return false;
  switch (edit.kind) {
    case Kind::add_header:
      header_.add(mail::field_text(edit.name, edit.value, leading_space));
      break;
    case Kind::insert_header:
      header_.insert(edit.index, mail::field_text(edit.name, edit.value, leading_space));
      break;
    case Kind::change_header:
      header_.change(edit.index, edit.name,
                     edit.value.empty() ? std::string()
                                        : mail::field_text(edit.name, edit.value, leading_space));
      break;
    case Kind::add_recipient:
      add(edit);
      break;
    case Kind::delete_recipient:
      remove(edit.name);
      break;
    case Kind::change_sender:
      sender_ = ipc::FilterAddress{edit.name, edit.value};
      break;
    case Kind::quarantine:
      holds_.push_back(edit.value);
      break;
    case Kind::replace_body:
      break;
  }
  return true;
}

void MessageEdits::add(const milter::Edit& edit) {
  bool is_there = std::any_of(added_.begin(), added_.end(), [&](const ipc::FilterAddress& one) {
    return bare(one.address) == bare(edit.name);
  });
  if (!is_there) added_.push_back({edit.name, edit.value});
}

// One that a filter has added goes by this, too; it may be one of the client's as well.
void MessageEdits::remove(const std::string& address) {
  std::erase_if(added_,
                [&](const ipc::FilterAddress& one) { return bare(one.address) == bare(address); });
  bool is_there = std::any_of(removed_.begin(), removed_.end(),
                              [&](const std::string& one) { return bare(one) == bare(address); });
  if (!is_there) removed_.push_back(address);
}

ipc::FilterEditKinds kinds_of(const std::vector<milter::Edit>& edits) {
  ipc::FilterEditKinds out;
  using Kind = milter::Edit::Kind;
  for (const milter::Edit& edit : edits) {
    if (edit.kind == Kind::add_recipient || edit.kind == Kind::delete_recipient)
      ++out.recipients;
    else if (edit.kind == Kind::change_sender)
      out.sender = true;
    else if (edit.kind != Kind::quarantine && edit.kind != Kind::replace_body)
      ++out.headers;
  }
  return out;
}

}  // namespace postwain::filter
