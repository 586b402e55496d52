// Bags and ids of pieces, for unnest(). The bag follows from the id alone.
#pragma once

#include <utility>

#include "common/mail/queue_id.h"

#include "qmgr/model/row_id.h"
#include "qmgr/store/postgres/session/pg_parameters.h"

namespace postwain::qmgr {

class PgPieceKeys {
 public:
  void add(mail::QueueId id) {
    bags_.number(id.bag());
    ids_.number(number_of(id));
  }
  PgParameters parameters() && {
    PgParameters parameters;
    parameters.array(std::move(bags_)).array(std::move(ids_));
    return parameters;
  }

 private:
  PgArray bags_{PgArray::Element::int2};
  PgArray ids_{PgArray::Element::int8};
};

}  // namespace postwain::qmgr
