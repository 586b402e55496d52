// The columns of messages and recipients, in the one order in which statements name them, arrays
// fill them and answers are read. What MAIL and RCPT said comes by visit_fields(), so that a new
// field of it needs nothing here but its column in the schema.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "qmgr/store/postgres/session/pg_parameters.h"

namespace postwain::qmgr {

struct PgColumn {
  std::string name;
  PgArray::Element element;
};
using PgColumns = std::vector<PgColumn>;

PgColumns columns_of_message();  // the bag first, then the id
PgColumns columns_of_content();
PgColumns columns_of_new_recipient();  // what a new one does not begin with as 0 or ''
PgColumns columns_of_recipient();      // for reading, from message_id on

// "m.id, m.size" with the prefix "m.".
std::string names_of(const PgColumns& columns, std::string_view prefix);
// "$4::int2[], $5::int8[]". parameter: the number of the first, then of the one behind the last.
std::string arrays_of(const PgColumns& columns, int& parameter);

}  // namespace postwain::qmgr
