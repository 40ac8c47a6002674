package com.example.reports

import com.apollographql.apollo.ApolloClient
import com.apollographql.apollo.annotations.ApolloExperimental
import com.apollographql.apollo.api.http.HttpRequest
import com.apollographql.apollo.api.http.HttpResponse
import com.apollographql.apollo.network.http.HttpInterceptor
import com.apollographql.apollo.network.http.HttpInterceptorChain
import com.apollographql.apollo.network.websocket.GraphQLWsProtocol
import com.apollographql.apollo.network.websocket.WebSocketEngine
import com.apollographql.apollo.network.websocket.WebSocketNetworkTransport
import com.apollographql.cache.normalized.memory.MemoryCacheFactory
import com.example.reports.api.cache.Cache.cache
import okhttp3.OkHttpClient
import java.util.concurrent.TimeUnit
import kotlin.time.Duration.Companion.seconds

/**
 * The client: queries by HTTP, subscriptions over one websocket, one cache for both.
 *
 * [endpoint] is the same for both, `https://reports.example.com/graphql`; Apollo makes `wss` of it.
 * [key] is asked for each request and for each connection, so that a new key needs no new client.
 */
@OptIn(ApolloExperimental::class)
fun reports(endpoint: String, key: suspend () -> String): ApolloClient {
    // https://www.apollographql.com/docs/kotlin/migration/5.0#new-websockets
    val webSocket = WebSocketNetworkTransport.Builder()
        .serverUrl(endpoint)
        // Subprotocol graphql-transport-ws. The server lets in by the payload of connection_init alone, which is asked
        // for at each connection; what stands in the headers of the upgrade is not read.
        .wsProtocol(GraphQLWsProtocol(connectionPayload = { mapOf("authorization" to "Bearer ${key()}") }))
        // The server closes with 4408 where there was no connection_init for 10 s.
        .connectionAcknowledgeTimeout(10.seconds)
        // Keep-alive, both ways. The server sends `ping` every 20 s, and Apollo answers `pong` by itself. To notice that
        // the other side is gone without a word (a tunnel, another Wi-Fi) is OkHttp's: its ping fails the connection
        // where no pong follows, and the server answers it. So `pingInterval` of Apollo, which waits for no answer,
        // stays off.
        .webSocketEngine(WebSocketEngine(OkHttpClient.Builder().pingInterval(20, TimeUnit.SECONDS).build()))
        // Without subscriptions the socket is closed after this.
        .idleTimeout(10.seconds)
        .build()

    return ApolloClient.Builder()
        .serverUrl(endpoint)
        .addHttpInterceptor(Authorization(key))
        .subscriptionNetworkTransport(webSocket)
        // `retryOnError` stays off, as it is by default: `following` comes back instead, with the last cursor.
        // Of 10 MB. Subscriptions write into it, too, and watched queries hear of that. `cache` is generated, and knows by
        // extra.graphqls what two answers mean by the same thing.
        .cache(MemoryCacheFactory(maxSizeBytes = 10 * 1024 * 1024))
        .build()
}

/** `Authorization: Bearer KEY`, with the key that is good now. */
private class Authorization(private val key: suspend () -> String) : HttpInterceptor {
    override suspend fun intercept(request: HttpRequest, chain: HttpInterceptorChain): HttpResponse =
        chain.proceed(request.newBuilder().addHeader("Authorization", "Bearer ${key()}").build())
}
