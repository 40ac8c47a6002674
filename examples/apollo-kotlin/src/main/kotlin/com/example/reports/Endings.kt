package com.example.reports

import com.apollographql.apollo.api.ApolloResponse
import com.apollographql.apollo.exception.ApolloHttpException
import com.apollographql.apollo.exception.ApolloWebSocketClosedException
import com.apollographql.apollo.exception.SubscriptionOperationException
import kotlin.math.min
import kotlin.math.pow
import kotlin.random.Random
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds

/** What to do after a subscription has ended. */
enum class Then {
    /** Subscribe again, a little later each time. */
    COME_BACK,

    /** Subscribe once more, with the key that is good now. */
    ONCE_MORE,

    /** Another try would only repeat it: tell the user, or mend the app. */
    NEVER,
}

/** The codes with which the server ends a websocket; any other end is a lost connection. */
enum class Goodbye(val code: Int, val then: Then) {
    SERVER_STOPS(1012, Then.COME_BACK),
    NO_ROOM(1013, Then.COME_BACK),
    NO_MESSAGE_OF_THE_PROTOCOL(4400, Then.NEVER),
    SUBSCRIBED_BEFORE_ACK(4401, Then.NEVER),
    KEY(4403, Then.ONCE_MORE),
    OTHER_SUBPROTOCOL(4406, Then.NEVER),
    NO_SIGN_OF_LIFE(4408, Then.COME_BACK),
    ID_IN_USE(4409, Then.NEVER),
    SECOND_INIT(4429, Then.NEVER),
}

/** Codes of errors (`extensions.code`) that pass by themselves. */
private val PASSES = setOf(
  "INTERNAL_ERROR", "RATE_LIMITED", "TIMEOUT", "TOO_MANY_CONNECTIONS", "TOO_MANY_OPERATIONS", "UNAVAILABLE",
)

/** Answers by HTTP that another try would only repeat. */
private val MISTAKES = setOf(400, 403, 404, 405, 413)

/** What to do after this response, which has nothing to show and is the last one; null: the subscription just ended. */
fun then(last: ApolloResponse<*>?): Then {
    // Errors first: a campaign that cannot be read just now is null, too, and UNAVAILABLE stands beside it.
    val refusal = last?.errors?.map { it.extensions?.get("code") }
    if (!refusal.isNullOrEmpty()) return thenAfter(refusal)
    if (last?.data != null) return Then.NEVER // null without an error: there is no such campaign
    return when (val exception = last?.exception) {
        is ApolloWebSocketClosedException ->
            Goodbye.entries.find { it.code == exception.code }?.then ?: Then.COME_BACK
        is SubscriptionOperationException -> thenAfter(codes(exception.payload))
        is ApolloHttpException -> when (exception.statusCode) {
            401 -> Then.ONCE_MORE
            in MISTAKES -> Then.NEVER
            else -> Then.COME_BACK
        }
        else -> Then.COME_BACK // no network, no answer in time: the connection is lost
    }
}

private fun thenAfter(codes: List<Any?>) = if (codes.all { it in PASSES }) Then.COME_BACK else Then.NEVER

/** The codes in the payload of an `error` message, which is a list of GraphQL errors as they were sent. */
private fun codes(payload: Any?): List<Any?> =
    (payload as? List<*>).orEmpty().map { ((it as? Map<*, *>)?.get("extensions") as? Map<*, *>)?.get("code") }

/** 1 s, 2 s, 4 s ... 30 s, of which half is by chance: else all apps would come back at once. */
fun pause(tries: Int): Duration =
    (min(1000 * 2.0.pow(tries), 30_000.0) * Random.nextDouble(0.5, 1.0)).milliseconds
