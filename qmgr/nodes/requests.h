// What nodes that share a queue ask each other: a request goes to one node, which answers it once.
// Both travel through the database (request_table.h), and each side learns from its beat that
// something lies there for it.
//
// Nothing is ever sent twice. A request or an answer may get lost with a node or a connection; then
// whoever has asked hears that there was no answer, and does not know whether it was served. A
// request is not begun any more when its asker has stopped waiting. So whoever asks anew asks for
// something that does no harm when it is done twice, as all kinds below are: they say what is to be
// with certain messages, or only read.
//
// On the loop. Answers and requests come from other nodes, perhaps of another version: who serves a
// request parses it like input from outside.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/net/loop.h"

#include "qmgr/store/beat_service.h"
#include "qmgr/store/keeper_service.h"

namespace postwain::qmgr {

constexpr std::size_t kAsksMax = 64;    // that wait for their answers
constexpr std::size_t kServedMax = 64;  // that are being served
// While answers are awaited they are looked for this often, and at each beat.
constexpr Duration kAnswersLook = std::chrono::milliseconds(100);

class Requests {
 public:
  // The numbers are known to other versions: never given anew.
  enum class Kind : std::uint8_t {
    action = 1,         // what an operator wants with messages of that node
    late_outcomes = 2,  // what an agent has told of attempts that were ours, and are that node's
  };
  static constexpr std::size_t kKinds = 3;  // beyond the last one

  // name_of: of a node by its number, for words.
  using NameOf = std::function<std::string(std::uint8_t)>;
  // keeper ends before this, or calls nobody back after it.
  Requests(net::Loop& loop, KeeperService& keeper, std::uint8_t self, NameOf name_of);

  // Told once on the loop, perhaps before the call returns, and never when this has gone. An
  // error's text names the node; its code is one of sysexits.h, kExitTempFail where there was no
  // answer.
  using Answer = std::function<void(Result<std::string>)>;
  // data: kRequestMax at most. within: the time for all of it, the way there and back included.
  void ask(std::uint8_t node, Kind kind, std::string data, Duration within, Answer done);

  // Told once; what is told beyond that, or after this has gone, is dropped. A Reply that is
  // destroyed untold answers that the request was given up. An answer of more than kAnswerMax
  // octets becomes an error.
  using Reply = std::function<void(Result<std::string>)>;
  using Serve = std::function<void(std::uint8_t from, std::string data, Reply reply)>;
  // Who serves requests of this kind. Those without anybody are refused in words.
  void serve(Kind kind, Serve serve);

  // A beat has read this.
  void seen(const RequestMarks& marks);

  std::size_t waiting() const { return asked_.size(); }
  std::size_t served() const { return serving_; }

 private:
  struct Asked {
    std::uint8_t node = 0;
    MonoTime until{};
    Duration within{};
    Answer done;
  };
  struct Open;  // a request that is being served

  void look();
  void take_answers();
  void take_requests();
  void begin(NodeRequest request);
  void answer(NodeAnswer answer);
  void answered(std::int64_t number, Result<std::string> what);
  void sweep();

  KeeperService& keeper_;
  std::uint8_t self_;
  NameOf name_of_;
  std::map<std::int64_t, Asked> asked_;  // by number
  std::int64_t last_number_;
  std::array<Serve, kKinds> serve_;
  std::size_t serving_ = 0;
  bool taking_answers_ = false;
  bool taking_requests_ = false;
  MonoTime sweep_from_{};
  net::Timer looks_;
  std::shared_ptr<Requests*> self_alive_;  // replies outlive us
};

}  // namespace postwain::qmgr
