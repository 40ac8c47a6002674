package com.example.reports

import com.apollographql.apollo.ApolloClient
import com.apollographql.apollo.api.Optional
import com.apollographql.cache.normalized.FetchPolicy
import com.apollographql.cache.normalized.fetchPolicy
import com.apollographql.cache.normalized.watch
import com.example.reports.api.CampaignPageQuery
import com.example.reports.api.FiguresLiveSubscription
import com.example.reports.api.MessagesLiveSubscription
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.channelFlow
import kotlinx.coroutines.flow.collect
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.mapNotNull
import kotlinx.coroutines.flow.onEach
import kotlinx.coroutines.launch

/** A campaign's five rates and a page of its messages, as they become. In an Android app: what a ViewModel holds. */
class CampaignScreen(private val client: ApolloClient, private val id: String, private val pageSize: Int = 20) {

    /**
     * The page, and again whenever something in it has changed.
     *
     * Subscriptions write what they bring into the cache, and what is shown comes out of the cache alone.
     *
     * @throws Refused as `following` does
     */
    fun pages(): Flow<CampaignPageQuery.Campaign> = channelFlow {
        // Query, then subscribe from its cursor: nothing that happens in between is missed.
        var cursor = fetch().updatesCursor

        launch {
            client.query(page()).fetchPolicy(FetchPolicy.CacheOnly).watch()
                .mapNotNull { it.data?.campaign }
                .collect { send(it) }
        }
        while (true) {
            // Its first event is the campaign as it is: so it needs no cursor.
            val figures = launch {
                following { client.subscription(FiguresLiveSubscription(id)) }.collect()
            }
            following { client.subscription(MessagesLiveSubscription(id, Optional.present(cursor))) }
                .map { it.messagesUpdated }
                // What it brought is in the cache already. The other way round, a crash in between would lose that.
                .onEach { cursor = it.cursor }
                .first { it.resync }
            // What changed since is no longer kept, or the server's database was restored (another epoch, of which an
            // old cursor says nothing): read the page anew. Nothing is subscribed to meanwhile: an answer that is older
            // than an event would come on top of it.
            figures.cancelAndJoin()
            cursor = fetch().updatesCursor
        }
    }

    private fun page() = CampaignPageQuery(id, first = pageSize)

    /** From the network, and into the cache; as often as it takes. */
    private suspend fun fetch(): CampaignPageQuery.Campaign {
        var tries = 0
        while (true) {
            val response = client.query(page()).fetchPolicy(FetchPolicy.NetworkOnly).execute()
            response.data?.campaign?.let { return it }
            val then = then(response)
            if (then == Then.NEVER || (then == Then.ONCE_MORE && tries > 0)) throw Refused(response)
            delay(pause(tries++))
        }
    }
}
