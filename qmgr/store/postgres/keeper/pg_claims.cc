#include "qmgr/store/postgres/keeper/pg_claims.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

#include "common/base/check.h"

namespace postwain::qmgr {

namespace {

// What a column of int4 can have. A limit beyond that is none.
constexpr std::uint32_t kPlacesMax = INT32_MAX;

std::int64_t places_number(std::uint32_t places) {
  return std::min(places, kPlacesMax);
}

PgArray claim_keys_of(std::span<const ClaimTable::Wish> wishes) {
  PgArray keys(PgArray::Element::bytea);
  for (const ClaimTable::Wish& one : wishes) keys.bytes(one.key);
  return keys;
}

PgParameters claim_values_of(std::int16_t node, std::span<const ClaimTable::Wish> wishes) {
  PgArray wanted(PgArray::Element::int4);
  PgArray keep(PgArray::Element::int4);
  PgArray room(PgArray::Element::int8);
  PgArray kept_free(PgArray::Element::int4);
  for (const ClaimTable::Wish& one : wishes) {
    wanted.number(places_number(one.wanted));
    keep.number(places_number(one.keep));
    room.number(places_number(one.limit - std::min(one.limit, one.kept_free)));
    kept_free.number(places_number(one.kept_free));
  }
  PgParameters values;
  values.int2(node).array(claim_keys_of(wishes)).array(std::move(wanted)).array(std::move(keep));
  values.array(std::move(room)).array(std::move(kept_free));
  return values;
}

struct ClaimRow {
  std::string key;
  cluster::Claim claim;
};

StoreResult<ClaimRow> claim_in(const PgResult& result, int number) {
  PgReader row(result, number);
  ClaimRow out;
  out.key = row.text();
  std::int64_t places = row.number();
  std::int64_t kept = row.number();
  if (!row.done() || places < 0 || kept < 0 || places > kPlacesMax || kept > kPlacesMax)
    return strange_answer();
  out.claim = {static_cast<std::uint32_t>(places), static_cast<std::uint32_t>(kept)};
  return out;
}

}  // namespace

StoreResult<std::vector<cluster::Claim>> PgClaims::claim(std::span<const Wish> wishes) {
  PW_CHECK(wishes.size() <= kWishesMax);
  PgKeeperSession::Commands commands;
  commands.push_back({Pg::lock_claims, PgParameters().array(claim_keys_of(wishes))});
  commands.push_back({Pg::put_claims, claim_values_of(session_.node(), wishes)});
  commands.push_back(
      {Pg::clean_claims, PgParameters().int2(session_.node()).array(claim_keys_of(wishes))});
  PgKeeperSession::Results results = session_.write(std::move(commands));
  if (!results) return results.error();
  std::map<std::string, cluster::Claim, std::less<>> found;
  for (int i = 0; i < (*results)[1].rows(); ++i) {
    StoreResult<ClaimRow> row = claim_in((*results)[1], i);
    if (!row) return row.error();
    found.emplace(std::move(row->key), row->claim);
  }
  std::vector<cluster::Claim> claims;
  for (const Wish& one : wishes) {
    auto claim = found.find(one.key);
    if (claim == found.end()) return strange_answer();
    claims.push_back(claim->second);
  }
  return claims;
}

StoreResult<std::vector<ClaimTable::Owned>> PgClaims::owned(const std::string& prefix) {
  PgKeeperSession::Commands commands;
  commands.push_back({Pg::list_claims, PgParameters().int2(session_.node()).bytes(prefix)});
  PgKeeperSession::Results results = session_.read(std::move(commands));
  if (!results) return results.error();
  std::vector<Owned> claims;
  for (int i = 0; i < results->front().rows(); ++i) {
    StoreResult<ClaimRow> row = claim_in(results->front(), i);
    if (!row) return row.error();
    claims.push_back({std::move(row->key), row->claim});
  }
  return claims;
}

StoreStatus PgClaims::drop(const std::string& prefix) {
  PgKeeperSession::Commands commands;
  commands.push_back({Pg::drop_claims, PgParameters().int2(session_.node()).bytes(prefix)});
  PgKeeperSession::Results results = session_.write(std::move(commands));
  return results ? StoreStatus() : StoreStatus(results.error());
}

// Locked in the order of keys, as claims are.
StoreStatus PgClaims::sweep() {
  PgKeeperSession::Commands commands;
  commands.push_back({Pg::drop_dead_claims, {}});
  PgKeeperSession::Results dropped = session_.write(std::move(commands));
  if (!dropped) return dropped.error();
  commands.clear();
  commands.push_back({Pg::idle_claim_keys, PgParameters().int8(kWishesMax)});
  PgKeeperSession::Results found = session_.read(std::move(commands));
  if (!found) return found.error();
  if (found->front().rows() == 0) return {};
  PgArray keys(PgArray::Element::bytea);
  PgArray same(PgArray::Element::bytea);
  for (int i = 0; i < found->front().rows(); ++i) {
    PgReader row(found->front(), i);
    std::string key = row.text();
    if (!row.done()) return strange_answer();
    keys.bytes(key);
    same.bytes(key);
  }
  commands.clear();
  commands.push_back({Pg::lock_claims, PgParameters().array(std::move(keys))});
  commands.push_back(
      {Pg::clean_claims, PgParameters().int2(session_.node()).array(std::move(same))});
  PgKeeperSession::Results results = session_.write(std::move(commands));
  return results ? StoreStatus() : StoreStatus(results.error());
}

}  // namespace postwain::qmgr
