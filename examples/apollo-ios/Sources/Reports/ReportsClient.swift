import Apollo
import ApolloAPI
import ApolloWebSocket
import Foundation

/// The key that is good now. Asked for each request and for each connection, so that a new key needs no new client.
public typealias Key = @Sendable () async throws -> String

/// The client: queries by HTTP, subscriptions over one websocket, one cache for both.
public struct ReportsClient: Sendable {
  let apollo: ApolloClient
  private let webSocket: WebSocketTransport
  private let lastWord = LastWord()
  private let key: Key

  /// - Parameter endpoint: the same for both, `https://reports.example.com/graphql`.
  public init(endpoint: URL, key: @escaping Key) throws {
    self.key = key
    // It lets go of nothing by itself: see `CampaignWatch.keep`.
    let store = ApolloStore(cache: InMemoryNormalizedCache())

    // https://www.apollographql.com/docs/ios/networking/request-pipeline
    let http = RequestChainNetworkTransport(
      urlSession: URLSession(configuration: .default),
      interceptorProvider: WithKey(key: key),
      store: store,
      endpointURL: endpoint
    )

    // https://www.apollographql.com/docs/ios/networking/websocket-transport
    // Its subprotocol is graphql-transport-ws, always.
    webSocket = try WebSocketTransport(
      urlSession: WatchedSockets(session: URLSession(configuration: .default), lastWord: lastWord),
      store: store,
      endpointURL: Self.webSocketURL(endpoint),
      configuration: .init(
        // Off, as it is by default: it would repeat the first variables, and with them the first cursor; it tries once
        // only; and it does so after every close code. `CampaignWatch.follow` comes back instead.
        reconnectionInterval: -1,
        // Keep-alive: proxies and mobile networks forget a silent connection. Less than a minute, and for the rest as you
        // like; the server sends pings of its own every 20 s, which Apollo answers by itself.
        pingInterval: 20
      )
    )

    apollo = ApolloClient(
      networkTransport: SplitNetworkTransport(
        queryTransport: http, mutationTransport: http, subscriptionTransport: webSocket),
      store: store
    )
  }

  /// To be called before each subscription: where there is no connection, it begins on a new one, and the server lets in
  /// by the payload of `connection_init` alone. What stands in the headers of the upgrade is not read.
  func showKey() async throws {
    // Where there is no key just now (no network to ask for one, say), nobody has refused anything.
    guard let key = try? await key() else { throw Ending.lost(code: nil) }
    await webSocket.updateConnectingPayload(["authorization": "Bearer \(key)"])
  }

  /// Why a request by HTTP threw this. What is no answer is a lost connection, whatever a websocket was closed with before.
  func ending(ofRequest error: any Error) -> Ending {
    error as? Ending ?? .lost(code: nil)
  }

  /// Why a subscription threw this, or ended without an error.
  func ending(ofSubscription error: (any Error)?) -> Ending {
    switch error {
    case let ending as Ending: ending
    case WebSocketTransport.Error.graphQLErrors(let errors)?: .refused(errors.map(\.code))
    default: .lost(code: lastWord.code)
    }
  }

  private static func webSocketURL(_ endpoint: URL) -> URL {
    var parts = URLComponents(url: endpoint, resolvingAgainstBaseURL: true)!
    parts.scheme = endpoint.scheme == "http" ? "ws" : "wss"
    return parts.url!
  }
}

extension GraphQLError {
  /// What an app may decide by; messages are for people.
  var code: String { extensions?["code"] as? String ?? "" }
}

/// Apollo's own interceptors, and `Authorization: Bearer KEY`.
private struct WithKey: InterceptorProvider {
  let key: Key

  // The last one is the first to see the answer.
  func httpInterceptors<Operation: GraphQLOperation>(for operation: Operation) -> [any HTTPInterceptor] {
    DefaultInterceptorProvider.shared.httpInterceptors(for: operation) + [Authorization(key: key)]
  }
}

private struct Authorization: HTTPInterceptor {
  let key: Key

  func intercept(request: URLRequest, next: NextHTTPInterceptorFunction) async throws -> HTTPResponse {
    var request = request
    request.setValue("Bearer \(try await key())", forHTTPHeaderField: "Authorization")
    let answer = try await next(request)
    if answer.response.statusCode >= 400 { throw Ending.status(answer.response.statusCode) }
    return answer
  }
}
