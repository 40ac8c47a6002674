package com.example.reports

import com.apollographql.apollo.ApolloCall
import com.apollographql.apollo.api.ApolloResponse
import com.apollographql.apollo.api.Subscription
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.firstOrNull
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.onEach

/** The server has refused it for good; `last` says why. */
class Refused(val last: ApolloResponse<*>?) : Exception(
    last?.errors?.firstOrNull()?.message ?: last?.exception?.message ?: "There is no such campaign.",
    last?.exception,
)

/**
 * A subscription that begins anew after each loss of connection, without end, until its collector is cancelled.
 *
 * [begin] is asked each time: so its variables are those of now, above all the cursor. Apollo's own `retryOnError` would
 * repeat the first ones, and with them the first cursor.
 *
 * @throws Refused another try would only repeat it
 */
fun <D : Subscription.Data> following(begin: () -> ApolloCall<D>): Flow<D> = flow {
    var tries = 0
    while (true) {
        // A response without data is the last one: the error of a lost connection, or a refusal.
        val last = begin().toFlow()
            .onEach { response ->
                response.data?.let {
                    tries = 0
                    emit(it)
                }
            }
            .firstOrNull { it.data == null }
        val then = then(last)
        if (then == Then.NEVER || (then == Then.ONCE_MORE && tries > 0)) throw Refused(last)
        delay(pause(tries++))
    }
}
