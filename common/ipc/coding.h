// How a message becomes a frame and comes back, for the sources that define visit() of messages;
// what is vocabulary to several of them.
#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "common/ipc/codec.h"
#include "common/ipc/messages.h"
#include "common/mail/reply.h"

namespace postwain {

namespace mail {

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, Reply>
void visit(A& a, T& v) {
  std::uint16_t code = 0;
  if constexpr (!A::kDecoding) code = static_cast<std::uint16_t>(v.code);
  a.number(code);
  if constexpr (A::kDecoding) v.code = code;
  ipc::fields(a, v.enhanced.klass, v.enhanced.subject, v.enhanced.detail, v.text);
}

}  // namespace mail

namespace ipc {

template <class A, class T>
void optional_field(A& a, T& v) {
  bool present = false;
  if constexpr (!A::kDecoding) present = v.has_value();
  field(a, present);
  if constexpr (A::kDecoding) {
    if (present) v.emplace();
  }
  if (present) field(a, *v);
}

template <class Message>
bool append_frame(std::string& out, const Message& message) {
  std::size_t start = out.size();
  Encoder encoder(out);
  encoder.number(std::uint32_t{0});
  encoder.number(static_cast<std::uint16_t>(Message::kType));
  visit(encoder, message);
  std::size_t size = out.size() - start - sizeof(std::uint32_t);
  if (size > kFrameMax) {
    out.resize(start);
    return false;
  }
  auto length = static_cast<std::uint32_t>(size);
  std::memcpy(out.data() + start, &length, sizeof length);
  return true;
}

template <class Message>
bool decode(std::string_view payload, Message& message) {
  Decoder decoder(payload);
  visit(decoder, message);
  return decoder.finished();
}

}  // namespace ipc
}  // namespace postwain

// visit() of one message or part of one, within namespace ipc.
#define PW_VISIT(Type)                                  \
  template <class A, class T>                           \
  requires std::is_same_v<std::remove_const_t<T>, Type> \
  void visit([[maybe_unused]] A& a, [[maybe_unused]] T& v)

// Behind all visits: makes the functions that messages.h declares.
#define PW_MESSAGE(Type)                                 \
  template bool append_frame(std::string&, const Type&); \
  template bool decode(std::string_view, Type&); /* NOLINT(bugprone-macro-parentheses) */
