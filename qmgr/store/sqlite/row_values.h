// Rows of the queue database as values. What comes back is checked like input from outside: a
// damaged row must not become an impossible value.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "qmgr/model/message.h"
#include "qmgr/store/sqlite/sqlite.h"

namespace postwain::qmgr {

template <class Enum>
Enum enum_of(std::int64_t number, Enum last) {
  return static_cast<Enum>(std::clamp<std::int64_t>(number, 0, static_cast<std::int64_t>(last)));
}

// The fields of an envelope or of what RCPT said, in the order of visit_fields(). What is bound has
// to outlive the use of the statement.
template <class Owner>
void bind_fields(Use& use, const Owner& owner) {
  mail::visit_fields(owner, [&use](const mail::FieldName&, const auto& value) {
    using Field = std::remove_cvref_t<decltype(value)>;
    if constexpr (std::is_same_v<Field, mail::Address>)
      use.text(value.text());
    else if constexpr (std::is_same_v<Field, std::string>)
      use.text(std::string_view(value));
    else if constexpr (std::is_same_v<Field, bool>)
      use.flag(value);
    else if constexpr (std::is_same_v<Field, mail::Notify>)
      use.number(value.bits);
    else
      use.number(static_cast<int>(value));
  });
}
template <class Owner>
void read_fields(Use& use, Owner& owner) {
  mail::visit_fields(owner, [&use](const mail::FieldName&, auto& value) {
    using Field = std::remove_cvref_t<decltype(value)>;
    if constexpr (std::is_same_v<Field, mail::Address>)
      value = mail::Address::from_text(use.text());
    else if constexpr (std::is_same_v<Field, std::string>)
      value = use.text();
    else if constexpr (std::is_same_v<Field, bool>)
      value = use.flag();
    else if constexpr (std::is_same_v<Field, mail::Notify>)
      value.bits = static_cast<std::uint8_t>(use.number() & 15);
    else
      value = enum_of(use.number(), last_of(Field{}));
  });
}

// The columns of Sql::select_message and Sql::list_messages.
MessageInfo read_info(Use& use);
// The columns of Sql::select_recipients, and of Sql::due_recipients behind the message's id.
StoredRecipient read_recipient(Use& use);

}  // namespace postwain::qmgr
