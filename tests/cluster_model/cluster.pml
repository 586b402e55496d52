/* How the bag of a queue changes hands between two nodes that share a database, for spin.
 *
 * One bag, one message, two nodes, some faults. It was written from the description of the protocol
 * and not from our C++, so that a mistake in the thinking of one is not in the other. The times are
 * short and keep their order: a word is good for G ticks, and who is silent for D ticks is dead.
 *
 * With -D on spin's command line one mistake is made: NO_FENCE NO_RAISE NAMES_UNREAD LEASE_EARLY
 * GATE_OPEN ADOPT_EARLY EARLY_250 FORMER_TERM DOUBT_250 EARLY_NAME_UNSAID. With -DEARLY_NAMES what
 * accepts a message may name an attempt at it as well, so that it is lent at once. tests/system/queue/test_cluster_model.py runs all.
 */
#ifndef G
#define G 2
#endif
#ifndef D
#define D 3
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef PAUSES
#define PAUSES 1
#endif
#ifndef LOSSES
#define LOSSES 1
#endif
#define REST_MOST (D + 4)

/* What a transaction does, and where it is. */
#define NOTHING 0
#define ACCEPT 1
#define NAME 2
#define SETTLE 3
#define READ_DOUBTS 4
#define ADOPT 5
#define FENCE 6
#define ACCEPT_NAMED 7
#define IDLE 0
#define SENT 1
#define COMMITTED 2
#define REFUSED 3
#define IN_DOUBT 4

/* An attempt. */
#define NONE 0
#define NAMED 1
#define LENT 2
#define ENDED 3

/* The database. Sets of terms are bits. */
byte term[2] = 1;
bool live[2] = true;
byte token[2];
byte proof[2]; /* the row of the last batch */
byte owner;
bool there, doubt;
byte names[2]; /* terms under which a node has named an attempt */
byte left[2];  /* terms whose names are still to be read */

/* The nodes. */
bool up[2] = true;
bool paused[2];
byte own_term[2] = 1;
byte own_token[2];
byte word_age[2];
bool beaten[2];
bool news[2] = true; /* the other has beaten, or begun a life, since this node looked */
byte quiet[2];
bool wants_fence[2], wants_adopt[2];
bool holds[2], opened[2]; /* the bag; and its doubts are read */
bool known[2], knows_doubt[2];
byte attempt[2];
bool lent_marked[2], overtaken[2];

/* Their lanes: what is under way, and what an old connection still holds. */
byte lane[2], kind[2], number[2], lane_token[2], lane_term[2];
byte old_kind[2], old_number[2], old_token[2], old_term[2];
/* Whether the beat of the other is still the one that a fence under way has named. */
bool same_beat[2], old_same_beat[2];

/* Outside. */
bool submitted, promised;
byte copies, unmarked;
byte resting;
byte crashes = CRASHES, pauses = PAUSES, losses = LOSSES;

#define works(i) (up[i] && !paused[i])
#define bit(t) (1 << (t))
#ifdef GATE_OPEN
#define gate(i) true
#else
#define gate(i) (word_age[i] < G)
#endif
#ifdef NO_FENCE
#define token_right(i, t, k) true
#else
#define token_right(i, t, k) (term[i] == t && token[i] == k)
#endif

inline send(i, what) {
  kind[i] = what;
  number[i] = 1 + number[i] % 3;
  lane_token[i] = own_token[i];
  lane_term[i] = own_term[i];
  lane[i] = SENT
}

/* The transaction happens, whole or not at all. One whose condition finds nothing is not committed:
 * from its number alone nobody could tell later that it had done nothing. */
inline transact(i, what, t, k, n, b, ended) {
  if
  :: !token_right(i, t, k) || (proof[i] == n && term[i] == t) -> ended = REFUSED
  :: else ->
    ended = COMMITTED;
    if
    :: what == ACCEPT -> assert(owner == i); there = true
#ifdef EARLY_NAMES
    :: what == ACCEPT_NAMED ->
      assert(owner == i);
      there = true;
#ifndef EARLY_NAME_UNSAID
      names[i] = names[i] | bit(t)
#endif
#endif
    :: what == NAME -> assert(owner == i); names[i] = names[i] | bit(t)
    :: what == SETTLE ->
      assert(term[i] == t && live[i] && owner == i);
      there = false;
      doubt = false;
      names[i] = names[i] & ~bit(t)
    :: what == READ_DOUBTS ->
      assert(owner == i);
#ifndef NAMES_UNREAD
      if
      :: there && ((left[0] & names[0]) || (left[1] & names[1])) -> doubt = true
      :: else
      fi;
#endif
      names[0] = names[0] & ~left[0];
      names[1] = names[1] & ~left[1];
      left[0] = 0;
      left[1] = 0
    :: what == ADOPT ->
      if
#ifdef ADOPT_EARLY
      :: owner == 1 - i -> owner = i; left[1 - i] = bit(term[1 - i] + 1) - 1
#else
      :: owner == 1 - i && !live[1 - i] -> owner = i; left[1 - i] = bit(term[1 - i]) - 1
#endif
      :: else -> ended = REFUSED
      fi
    :: what == FENCE ->
      if
      :: live[1 - i] && b ->
        live[1 - i] = false;
        term[1 - i]++;
        token[1 - i] = 0;
        proof[1 - i] = 0;
        news[i] = true;
        /* Its sessions are ended. */
        old_kind[1 - i] = NOTHING;
        if
        :: lane[1 - i] == SENT -> lane[1 - i] = IN_DOUBT
        :: else
        fi
      :: else -> ended = REFUSED
      fi
    fi;
    if
    :: ended == COMMITTED && term[i] == t -> proof[i] = n
    :: else
    fi
  fi
}

inline forget(i) {
  holds[i] = false;
  opened[i] = false;
  known[i] = false;
  knows_doubt[i] = false;
  attempt[i] = NONE;
  lent_marked[i] = false;
  overtaken[i] = false;
  wants_fence[i] = false;
  wants_adopt[i] = false
}

inline die(i) {
  up[i] = false;
  paused[i] = false;
  if
  :: lane[i] == SENT ->
    old_kind[i] = kind[i];
    old_number[i] = number[i];
    old_token[i] = lane_token[i];
    old_term[i] = lane_term[i];
    old_same_beat[i] = same_beat[i]
  :: else
  fi;
  lane[i] = IDLE;
  kind[i] = NOTHING;
  number[i] = 0;
  lane_token[i] = 0;
  lane_term[i] = 0;
  same_beat[i] = false;
  own_token[i] = 0;
  word_age[i] = 0;
  beaten[i] = false;
  news[i] = true;
  quiet[i] = 0;
  forget(i)
}

/* Only now may anything be concluded. */
inline conclude(i) {
  if
  :: kind[i] == ACCEPT -> promised = true; known[i] = true
#ifdef EARLY_NAMES
  :: kind[i] == ACCEPT_NAMED -> promised = true; known[i] = true; attempt[i] = NAMED
#endif
  :: kind[i] == NAME -> attempt[i] = NAMED
  :: kind[i] == SETTLE -> attempt[i] = NONE; known[i] = false
  :: kind[i] == READ_DOUBTS -> opened[i] = true; known[i] = there; knows_doubt[i] = doubt
  :: kind[i] == ADOPT -> holds[i] = true
  :: else
  fi;
  lane[i] = IDLE;
  kind[i] = NOTHING;
  same_beat[i] = false
}

inline end_of_data(i) {
  attempt[i] = ENDED;
  copies = (copies < 2 -> copies + 1 : 2);
  if
  :: lent_marked[i]
  :: else -> unmarked++
  fi;
  assert(unmarked < 2);
  assert(!overtaken[i]);
  lent_marked[i] = false
}

inline lend(i) {
  attempt[i] = LENT;
  lent_marked[i] = knows_doubt[i];
  overtaken[i] = false;
  if
  :: attempt[1 - i] == LENT -> overtaken[1 - i] = true
  :: else
  fi
}

/* The other node, and fences that are under way against this one, see another beat or term. */
inline changed(i) {
  news[1 - i] = true;
  same_beat[1 - i] = false;
  old_same_beat[1 - i] = false
}

/* One beat, in one transaction; then what it has shown. */
inline do_beat(i) {
  beaten[i] = true;
  if
  :: term[i] != own_term[i] || !live[i] -> die(i)
  :: else ->
    changed(i);
    word_age[i] = 0;
    quiet[i] = (news[i] -> 0 : (quiet[i] < D -> quiet[i] + 1 : D));
    news[i] = false;
    wants_fence[i] = live[1 - i] && quiet[i] >= D;
    wants_adopt[i] = owner == 1 - i && !live[1 - i];
#ifdef ADOPT_EARLY
    wants_adopt[i] = owner == 1 - i && (!live[1 - i] || quiet[i] >= D);
#endif
    if
    :: owner == i -> holds[i] = true
    :: else -> skip
    fi
  fi
}

proctype Node(byte me) {
  byte ended;
  do
  /* A client ends a message. */
  :: atomic { works(me) && !submitted && opened[me] && lane[me] == IDLE && word_age[me] < G ->
      submitted = true;
#ifdef EARLY_250
      promised = true;
#endif
#ifdef EARLY_NAMES
      if
      :: send(me, ACCEPT)
      :: send(me, ACCEPT_NAMED)
      fi }
#else
      send(me, ACCEPT) }
#endif
  /* An attempt: named, lent, ended, settled. */
#ifdef LEASE_EARLY
  :: atomic { works(me) && known[me] && opened[me] && attempt[me] == NONE && word_age[me] < G ->
      attempt[me] = NAMED }
#else
  :: atomic { works(me) && known[me] && opened[me] && attempt[me] == NONE && lane[me] == IDLE &&
              word_age[me] < G -> send(me, NAME) }
#endif
  :: atomic { works(me) && attempt[me] == NAMED && word_age[me] < G -> lend(me) }
  :: atomic { works(me) && attempt[me] == LENT && gate(me) -> end_of_data(me) }
  :: atomic { works(me) && attempt[me] == LENT && !gate(me) ->
      attempt[me] = NONE; lent_marked[me] = false; overtaken[me] = false }
  :: atomic { works(me) && attempt[me] == ENDED && lane[me] == IDLE -> send(me, SETTLE) }
  /* What the last beat has shown. */
  :: atomic { works(me) && wants_fence[me] && lane[me] == IDLE ->
      wants_fence[me] = false; same_beat[me] = !news[me]; send(me, FENCE) }
  :: atomic { works(me) && wants_adopt[me] && lane[me] == IDLE ->
      wants_adopt[me] = false; send(me, ADOPT) }
  :: atomic { works(me) && holds[me] && !opened[me] && lane[me] == IDLE -> send(me, READ_DOUBTS) }
  :: atomic { works(me) && !beaten[me] -> do_beat(me) }
  /* Answers. A refusal for the token ends this life; others are tried again. */
  :: atomic { works(me) && lane[me] == COMMITTED -> conclude(me) }
  :: atomic { works(me) && lane[me] == REFUSED ->
      if
      :: term[me] != own_term[me] || !live[me] -> die(me)
      :: else -> lane[me] = IDLE; kind[me] = NOTHING; same_beat[me] = false
      fi }
  /* The lane is taken again: the token first, then the question, then perhaps the batch. */
  :: atomic { works(me) && lane[me] == IN_DOUBT ->
      if
#ifdef DOUBT_250
      :: kind[me] == ACCEPT || kind[me] == ACCEPT_NAMED -> conclude(me)
#endif
      :: term[me] != own_term[me] -> die(me)
      :: else ->
#ifndef NO_RAISE
        token[me]++;
#endif
        own_token[me] = token[me];
        if
        :: proof[me] == number[me] -> conclude(me)
        :: else ->
          if
          :: kind[me] == FENCE || kind[me] == ADOPT ->
            lane[me] = IDLE; kind[me] = NOTHING; same_beat[me] = false
          :: else -> lane_token[me] = own_token[me]; lane[me] = SENT
          fi
        fi
      fi }
  od
}

/* The server's side of a lane: it goes on whatever becomes of its client. */
proctype Server(byte whose) {
  byte ended;
  do
  :: atomic { lane[whose] == SENT ->
      transact(whose, kind[whose], lane_term[whose], lane_token[whose], number[whose],
               same_beat[whose], ended);
      lane[whose] = ended; ended = 0 }
  :: atomic { old_kind[whose] != NOTHING ->
      transact(whose, old_kind[whose], old_term[whose], old_token[whose], old_number[whose],
               old_same_beat[whose], ended);
      ended = 0; old_kind[whose] = NOTHING; old_number[whose] = 0; old_token[whose] = 0; old_term[whose] = 0;
      old_same_beat[whose] = false }
  :: atomic { old_kind[whose] != NOTHING ->
      old_kind[whose] = NOTHING; old_number[whose] = 0; old_token[whose] = 0; old_term[whose] = 0;
      old_same_beat[whose] = false }
  od
}

proctype Faults() {
  byte i;
  do
  :: atomic { crashes > 0 && up[i] -> crashes--; resting = 0; die(i) }
  :: atomic { pauses > 0 && works(i) -> pauses--; resting = 0; paused[i] = true }
  :: atomic { paused[i] -> resting = 0; paused[i] = false }
  :: atomic { losses > 0 && works(i) && (lane[i] == SENT || lane[i] == COMMITTED) &&
              old_kind[i] == NOTHING ->
      losses--;
      if
      :: lane[i] == SENT ->
        old_kind[i] = kind[i]; old_number[i] = number[i]; old_token[i] = lane_token[i];
        old_term[i] = lane_term[i]; old_same_beat[i] = same_beat[i]
      :: else
      fi;
      lane[i] = IN_DOUBT }
  /* A start: it registers under the next term, and takes back what is still its own. */
  :: atomic { !up[i] ->
      resting = 0;
      term[i]++;
      changed(i);
      live[i] = true;
      token[i] = 0;
      proof[i] = 0;
      up[i] = true;
      own_term[i] = term[i];
      if
      :: owner == i ->
        holds[i] = true;
#ifdef FORMER_TERM
        left[i] = left[i] | bit(term[i] - 1)
#else
        left[i] = left[i] | (bit(term[i]) - 1)
#endif
      :: else
      fi }
  :: atomic { i = 1 - i }
  od
}

/* Time goes on when everybody who works has done what he does in a tick. */
#define done(i) (!works(i) || (beaten[i] && lane[i] == IDLE && !wants_fence[i] && \
                               !wants_adopt[i] && (!holds[i] || opened[i])))
proctype Clock() {
  do
  :: atomic { done(0) && done(1) && old_kind[0] == NOTHING && old_kind[1] == NOTHING ->
      beaten[0] = false;
      beaten[1] = false;
      word_age[0] = (up[0] && word_age[0] <= D -> word_age[0] + 1 : word_age[0]);
      word_age[1] = (up[1] && word_age[1] <= D -> word_age[1] + 1 : word_age[1]);
      if
      :: (works(owner) && opened[owner]) || (!works(0) && !works(1)) -> resting = 0
      :: else -> resting++
      fi;
      assert(resting <= REST_MOST) }
  od
}

/* 250 means that the message is there, or that the peer has it. */
proctype Promise() {
  atomic { promised && !there && copies == 0 -> assert(false) }
}

init {
  atomic {
    holds[0] = true;
    opened[0] = true;
    run Node(0);
    run Node(1);
    run Server(0);
    run Server(1);
    run Faults();
    run Clock();
    run Promise()
  }
}
