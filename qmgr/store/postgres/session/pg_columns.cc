#include "qmgr/store/postgres/session/pg_columns.h"

#include <iterator>
#include <type_traits>

#include "common/mail/envelope.h"

namespace postwain::qmgr {

namespace {

using ColumnType = PgArray::Element;

std::string_view type_name(ColumnType element) {
  switch (element) {
    case ColumnType::int2:
      return "int2";
    case ColumnType::int4:
      return "int4";
    case ColumnType::int8:
      return "int8";
    case ColumnType::bytea:
      break;
  }
  return "bytea";
}

template <class Owner>
void add_fields(PgColumns& columns, const Owner& owner) {
  mail::visit_fields(owner, [&columns](const mail::FieldName& name, const auto& value) {
    using Field = std::remove_cvref_t<decltype(value)>;
    constexpr bool kIsText =
        std::is_same_v<Field, mail::Address> || std::is_same_v<Field, std::string>;
    columns.push_back({name.column, kIsText ? ColumnType::bytea : ColumnType::int2});
  });
}

void add_columns(PgColumns& columns, std::initializer_list<PgColumn> more) {
  columns.insert(columns.end(), more.begin(), more.end());
}

}  // namespace

PgColumns columns_of_message() {
  PgColumns columns = {{"bag", ColumnType::int2}, {"id", ColumnType::int8}};
  add_fields(columns, mail::Envelope());
  add_columns(columns, {{"eight_bit", ColumnType::int2},
                        {"size", ColumnType::int8},
                        {"received_at", ColumnType::int8},
                        {"protocol", ColumnType::bytea},
                        {"client_address", ColumnType::bytea},
                        {"client_name", ColumnType::bytea},
                        {"account", ColumnType::bytea},
                        {"kind", ColumnType::int2},
                        {"traffic_class", ColumnType::int2},
                        {"in_file", ColumnType::int2},
                        {"header_size", ColumnType::int4}});
  return columns;
}

PgColumns columns_of_content() {
  return {{"bag", ColumnType::int2}, {"id", ColumnType::int8}, {"data", ColumnType::bytea}};
}

PgColumns columns_of_new_recipient() {
  PgColumns columns = {{"bag", ColumnType::int2},          {"message_id", ColumnType::int8},
                       {"idx", ColumnType::int4},          {"state", ColumnType::int2},
                       {"destination", ColumnType::bytea}, {"next_attempt_at", ColumnType::int8},
                       {"last_at", ColumnType::int8},      {"last_enhanced", ColumnType::bytea},
                       {"last_text", ColumnType::bytea}};
  add_fields(columns, mail::Recipient());
  return columns;
}

PgColumns columns_of_recipient() {
  PgColumns columns = {{"message_id", ColumnType::int8}, {"idx", ColumnType::int4}};
  add_fields(columns, mail::Recipient());
  add_columns(columns, {{"state", ColumnType::int2},
                        {"destination", ColumnType::bytea},
                        {"attempts", ColumnType::int4},
                        {"next_attempt_at", ColumnType::int8},
                        {"in_doubt", ColumnType::int2},
                        {"delay_warned", ColumnType::int2},
                        {"last_at", ColumnType::int8},
                        {"last_stage", ColumnType::int2},
                        {"last_code", ColumnType::int2},
                        {"last_enhanced", ColumnType::bytea},
                        {"last_text", ColumnType::bytea},
                        {"last_host", ColumnType::bytea},
                        {"crashes", ColumnType::int4}});
  return columns;
}

std::string names_of(const PgColumns& columns, std::string_view prefix) {
  std::string out;
  for (const PgColumn& one : columns) {
    if (!out.empty()) out += ", ";
    out.append(prefix).append(one.name);
  }
  return out;
}

std::string arrays_of(const PgColumns& columns, int& parameter) {
  std::string out;
  for (const PgColumn& one : columns) {
    if (!out.empty()) out += ", ";
    out.append("$").append(std::to_string(parameter++));
    out.append("::").append(type_name(one.element)).append("[]");
  }
  return out;
}

}  // namespace postwain::qmgr
