// The one list of the envelope's fields.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "common/mail/envelope.h"

using namespace postwain::mail;

namespace {

// Stands for a value of any type, to count the members of a struct.
struct AnyValue {
  template <class T>
  operator T() const;  // NOLINT(google-explicit-constructor)
};

template <class T, class... Given>
constexpr std::size_t members_of() {
  if constexpr (requires { T{Given{}..., AnyValue{}}; })
    return members_of<T, Given..., AnyValue>();
  else
    return sizeof...(Given);
}

template <class Owner>
std::vector<std::string> names_of_fields() {
  std::vector<std::string> names;
  const Owner owner{};
  visit_fields(owner, [&](const FieldName& name, const auto&) { names.emplace_back(name.json); });
  return names;
}

}  // namespace

TEST_CASE("every member of the envelope is visited, or is known to be none of its fields") {
  // recipients; decided.
  CHECK(names_of_fields<Envelope>().size() == members_of<Envelope>() - 1);
  CHECK(names_of_fields<Recipient>().size() == members_of<Recipient>() - 1);
}

TEST_CASE("the order of the fields is that of frames and compact records") {
  CHECK(names_of_fields<Envelope>() == std::vector<std::string>{"sender", "body", "smtputf8",
                                                                "require_tls", "tls_required_no",
                                                                "ret", "envid", "sign"});
  CHECK(names_of_fields<Recipient>() == std::vector<std::string>{"address", "notify", "orcpt"});
  std::uint8_t last = 1;
  const Envelope envelope;
  visit_fields(envelope, [&](const FieldName& name, const auto&) {
    CHECK(name.since >= last);
    CHECK(name.since <= kEnvelopeFormat);
    last = name.since;
  });
}

TEST_CASE("a visitor writes into the fields") {
  Envelope envelope;
  visit_fields(envelope, [](const FieldName& name, auto& value) {
    using Value = std::remove_reference_t<decltype(value)>;
    if constexpr (std::is_same_v<Value, bool>) value = std::string(name.json) == "require_tls";
    if constexpr (std::is_enum_v<Value>) value = last_of(value);
    if constexpr (std::is_same_v<Value, std::string>) value = name.column;
    if constexpr (std::is_same_v<Value, Address>) value = Address("a", name.column);
  });
  CHECK(envelope.reverse_path.text() == "a@reverse_path");
  CHECK(envelope.body == BodyType::binary_mime);
  CHECK(envelope.ret == DsnReturn::headers);
  CHECK(envelope.require_tls);
  CHECK_FALSE(envelope.smtputf8);
  CHECK(envelope.envid == "envid");
}

TEST_CASE("words of BODY, RET and NOTIFY") {
  CHECK(name_of(BodyType::seven_bit) == "7BIT");
  CHECK(name_of(BodyType::eight_bit_mime) == "8BITMIME");
  CHECK(name_of(BodyType::binary_mime) == "BINARYMIME");
  CHECK(name_of(DsnReturn::unspecified).empty());
  CHECK(name_of(DsnReturn::full) == "FULL");
  CHECK(name_of(DsnReturn::headers) == "HDRS");
  for (std::uint8_t bits = 0; bits < 16; ++bits) {
    auto back = Notify::parse(Notify{bits}.text());
    REQUIRE(back);
    CHECK(back->bits == bits);
  }
  CHECK(Notify{Notify::success | Notify::delay}.text() == "SUCCESS,DELAY");
  for (const char* wrong : {"success", "SUCCESS,", ",", "NEVER ", "SUCCESS;DELAY"})
    CHECK_FALSE(Notify::parse(wrong));
}
