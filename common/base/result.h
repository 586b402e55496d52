// Result<T>: what a function returns that depends on our own surroundings (files, sockets,
// configuration). Not for what a peer says (that is a Reply or an Outcome) and not for bugs
// (PW_CHECK). Must be looked at.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "common/base/check.h"

namespace postwain {

// text: for a person, complete without context. code: an errno or library code, 0 where there is
// none.
struct Error {
  std::string text;
  int code = 0;
};

// Failure: Error, or a type of a room's own where its callers have to tell kinds apart.
template <class T, class Failure = Error>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Failure error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() {
    PW_CHECK(ok());
    return *std::get_if<0>(&state_);
  }
  const T& value() const {
    PW_CHECK(ok());
    return *std::get_if<0>(&state_);
  }
  T take() {
    PW_CHECK(ok());
    return std::move(*std::get_if<0>(&state_));
  }
  const Failure& error() const {
    PW_CHECK(!ok());
    return *std::get_if<1>(&state_);
  }
  T* operator->() { return &value(); }
  T& operator*() { return value(); }
  const T* operator->() const { return &value(); }
  const T& operator*() const { return value(); }

 private:
  std::variant<T, Failure> state_;
};

template <class Failure>
class [[nodiscard]] Result<void, Failure> {
 public:
  Result() = default;
  Result(Failure error) : error_(std::move(error)) {}

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Failure& error() const {
    PW_CHECK(!ok());
    return *error_;
  }

 private:
  std::optional<Failure> error_;
};

using Status = Result<void>;

}  // namespace postwain
