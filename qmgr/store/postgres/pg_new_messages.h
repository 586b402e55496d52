// New messages as the arrays of one statement (Pg::insert_messages): their rows, what is stored of
// their content, and their recipients.
#pragma once

#include <vector>

#include "qmgr/store/postgres/session/pg_parameters.h"
#include "qmgr/store/queue_store.h"

namespace postwain::qmgr {

class PgNewMessages {
 public:
  PgNewMessages();

  // Everything it points to need live only during the call.
  void add(const MessageRows::Insert& one);
  PgParameters parameters() &&;

 private:
  void add_recipients(const MessageRows::Insert& one, std::int16_t bag);

  // A column each, in the order of session/pg_columns.h.
  std::vector<PgArray> messages_;
  std::vector<PgArray> contents_;
  std::vector<PgArray> recipients_;
};

}  // namespace postwain::qmgr
