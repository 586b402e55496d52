// The parameters of a statement in PostgreSQL's binary form: numbers in network order, arrays of
// one dimension as array_recv() reads them. Every value goes apart from the statement's text, so
// nothing has to be quoted. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postwain::qmgr {

// One array that grows value by value. The element types are those the statements name: int2[],
// int4[], int8[], bytea[].
class PgArray {
 public:
  enum class Element : std::uint8_t { int2, int4, int8, bytea };
  explicit PgArray(Element element) : element_(element) {}

  // Values beyond an element's range become the nearest within it, which CHECKs then refuse.
  void number(std::int64_t value);
  void flag(bool value) { number(value ? 1 : 0); }
  void bytes(std::string_view value);
  std::size_t size() const { return count_; }
  // As a parameter's value.
  std::string binary() &&;

 private:
  Element element_;
  std::uint32_t count_ = 0;
  std::string values_;
};

// In the order of $1, $2, …
class PgParameters {
 public:
  PgParameters& int2(std::int64_t value);
  PgParameters& int4(std::int64_t value);
  PgParameters& int8(std::int64_t value);
  PgParameters& bytes(std::string_view value);
  PgParameters& array(PgArray&& array);

  const std::vector<std::string>& values() const { return values_; }
  std::size_t octets() const;

 private:
  std::vector<std::string> values_;
};

}  // namespace postwain::qmgr
