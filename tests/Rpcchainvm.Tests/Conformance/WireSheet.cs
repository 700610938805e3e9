// The wire as the fact sheet lists it (sections 2.3, 4, 5, 6 and 11), written down a second time and independently of Protos/: every method of every service,
// every field's number, type, label and name.
//
//   service package.Name
//   Method request -> response         E: google.protobuf.Empty
//   message package.Name = number name type, ...        *: repeated, ?: optional; b bytes, s string, u4 u8 i4 i8 unsigned and signed of so many bytes,
//                                                       z4 zig-zag, TS and D: Timestamp and Duration, others: a message or an enum
//   enum package.Name = number NAME, ...

namespace ParallelVm.Rpcchainvm.Tests.Conformance;

internal static class WireSheet
{
    public const string Text = """
        service vm.runtime.Runtime
        Initialize InitializeRequest -> E
        message vm.runtime.InitializeRequest = 1 protocol_version u4, 2 addr s

        service vm.VM
        Initialize InitializeRequest -> InitializeResponse
        SetState SetStateRequest -> SetStateResponse
        Shutdown E -> E
        CreateHandlers E -> CreateHandlersResponse
        NewHTTPHandler E -> NewHTTPHandlerResponse
        WaitForEvent E -> WaitForEventResponse
        Connected ConnectedRequest -> E
        Disconnected DisconnectedRequest -> E
        BuildBlock BuildBlockRequest -> BuildBlockResponse
        ParseBlock ParseBlockRequest -> ParseBlockResponse
        GetBlock GetBlockRequest -> GetBlockResponse
        SetPreference SetPreferenceRequest -> E
        Health E -> HealthResponse
        Version E -> VersionResponse
        BlockVerify BlockVerifyRequest -> BlockVerifyResponse
        BlockAccept BlockAcceptRequest -> E
        BlockReject BlockRejectRequest -> E
        AppRequest AppRequestMsg -> E
        AppRequestFailed AppRequestFailedMsg -> E
        AppResponse AppResponseMsg -> E
        AppGossip AppGossipMsg -> E
        Gather E -> GatherResponse
        GetAncestors GetAncestorsRequest -> GetAncestorsResponse
        BatchedParseBlock BatchedParseBlockRequest -> BatchedParseBlockResponse
        GetBlockIDAtHeight GetBlockIDAtHeightRequest -> GetBlockIDAtHeightResponse
        StateSyncEnabled E -> StateSyncEnabledResponse
        GetOngoingSyncStateSummary E -> GetOngoingSyncStateSummaryResponse
        GetLastStateSummary E -> GetLastStateSummaryResponse
        ParseStateSummary ParseStateSummaryRequest -> ParseStateSummaryResponse
        GetStateSummary GetStateSummaryRequest -> GetStateSummaryResponse
        StateSummaryAccept StateSummaryAcceptRequest -> StateSummaryAcceptResponse
        enum vm.State = 0 STATE_UNSPECIFIED, 1 STATE_STATE_SYNCING, 2 STATE_BOOTSTRAPPING, 3 STATE_NORMAL_OP
        enum vm.Error = 0 ERROR_UNSPECIFIED, 1 ERROR_CLOSED, 2 ERROR_NOT_FOUND, 3 ERROR_STATE_SYNC_NOT_IMPLEMENTED
        enum vm.Message = 0 MESSAGE_UNSPECIFIED, 1 MESSAGE_BUILD_BLOCK, 2 MESSAGE_STATE_SYNC_FINISHED
        enum vm.StateSummaryAcceptResponse.Mode = 0 MODE_UNSPECIFIED, 1 MODE_SKIPPED, 2 MODE_STATIC, 3 MODE_DYNAMIC
        message vm.InitializeRequest = 1 network_id u4, 2 subnet_id b, 3 chain_id b, 4 node_id b, 5 public_key b, 6 x_chain_id b, 7 c_chain_id b, 8 avax_asset_id b, 9 chain_data_dir s, 10 genesis_bytes b, 11 upgrade_bytes b, 12 config_bytes b, 13 db_server_addr s, 14 server_addr s, 15 network_upgrades NetworkUpgrades
        message vm.NetworkUpgrades = 1 apricot_phase_1_time TS, 2 apricot_phase_2_time TS, 3 apricot_phase_3_time TS, 4 apricot_phase_4_time TS, 5 apricot_phase_4_min_p_chain_height u8, 6 apricot_phase_5_time TS, 7 apricot_phase_pre_6_time TS, 8 apricot_phase_6_time TS, 9 apricot_phase_post_6_time TS, 10 banff_time TS, 11 cortina_time TS, 12 cortina_x_chain_stop_vertex_id b, 13 durango_time TS, 14 etna_time TS, 15 fortuna_time TS, 16 granite_time TS, 17 granite_epoch_duration D, 18 helicon_time TS
        message vm.InitializeResponse = 1 last_accepted_id b, 2 last_accepted_parent_id b, 3 height u8, 4 bytes b, 5 timestamp TS
        message vm.SetStateRequest = 1 state State
        message vm.SetStateResponse = 1 last_accepted_id b, 2 last_accepted_parent_id b, 3 height u8, 4 bytes b, 5 timestamp TS
        message vm.CreateHandlersResponse = 1 handlers *Handler
        message vm.Handler = 1 prefix s, 2 server_addr s
        message vm.NewHTTPHandlerResponse = 1 server_addr s
        message vm.WaitForEventResponse = 1 message Message
        message vm.BuildBlockRequest = 1 p_chain_height ?u8
        message vm.BuildBlockResponse = 1 id b, 2 parent_id b, 3 bytes b, 4 height u8, 5 timestamp TS, 6 verify_with_context bool
        message vm.ParseBlockRequest = 1 bytes b
        message vm.ParseBlockResponse = 1 id b, 2 parent_id b, 4 height u8, 5 timestamp TS, 6 verify_with_context bool
        message vm.GetBlockRequest = 1 id b
        message vm.GetBlockResponse = 1 parent_id b, 2 bytes b, 4 height u8, 5 timestamp TS, 6 err Error, 7 verify_with_context bool
        message vm.SetPreferenceRequest = 1 id b
        message vm.BlockVerifyRequest = 1 bytes b, 2 p_chain_height ?u8
        message vm.BlockVerifyResponse = 1 timestamp TS
        message vm.BlockAcceptRequest = 1 id b
        message vm.BlockRejectRequest = 1 id b
        message vm.HealthResponse = 1 details b
        message vm.VersionResponse = 1 version s
        message vm.AppRequestMsg = 1 node_id b, 2 request_id u4, 3 deadline TS, 4 request b
        message vm.AppRequestFailedMsg = 1 node_id b, 2 request_id u4, 3 error_code z4, 4 error_message s
        message vm.AppResponseMsg = 1 node_id b, 2 request_id u4, 3 response b
        message vm.AppGossipMsg = 1 node_id b, 2 msg b
        message vm.ConnectedRequest = 1 node_id b, 2 name s, 3 major u4, 4 minor u4, 5 patch u4
        message vm.DisconnectedRequest = 1 node_id b
        message vm.GetAncestorsRequest = 1 blk_id b, 2 max_blocks_num i4, 3 max_blocks_size i4, 4 max_blocks_retrival_time i8
        message vm.GetAncestorsResponse = 1 blks_bytes *b
        message vm.BatchedParseBlockRequest = 1 request *b
        message vm.BatchedParseBlockResponse = 1 response *ParseBlockResponse
        message vm.GetBlockIDAtHeightRequest = 1 height u8
        message vm.GetBlockIDAtHeightResponse = 1 blk_id b, 2 err Error
        message vm.GatherResponse = 1 metric_families *MetricFamily
        message vm.StateSyncEnabledResponse = 1 enabled bool, 2 err Error
        message vm.GetOngoingSyncStateSummaryResponse = 1 id b, 2 height u8, 3 bytes b, 4 err Error
        message vm.GetLastStateSummaryResponse = 1 id b, 2 height u8, 3 bytes b, 4 err Error
        message vm.ParseStateSummaryRequest = 1 bytes b
        message vm.ParseStateSummaryResponse = 1 id b, 2 height u8, 3 err Error
        message vm.GetStateSummaryRequest = 1 height u8
        message vm.GetStateSummaryResponse = 1 id b, 2 bytes b, 3 err Error
        message vm.StateSummaryAcceptRequest = 1 bytes b
        message vm.StateSummaryAcceptResponse = 1 mode Mode, 2 err Error

        message io.prometheus.client.MetricFamily = 1 name ?s, 2 help ?s, 3 type ?MetricType, 4 metric *Metric, 5 unit ?s
        message io.prometheus.client.LabelPair = 1 name ?s, 2 value ?s
        message io.prometheus.client.Gauge = 1 value ?d
        message io.prometheus.client.Untyped = 1 value ?d
        message io.prometheus.client.Quantile = 1 quantile ?d, 2 value ?d
        message io.prometheus.client.Summary = 1 sample_count ?u8, 2 sample_sum ?d, 3 quantile *Quantile
        enum io.prometheus.client.MetricType = 0 COUNTER, 1 GAUGE, 2 SUMMARY, 3 UNTYPED, 4 HISTOGRAM, 5 GAUGE_HISTOGRAM

        service rpcdb.Database
        Has HasRequest -> HasResponse
        Get GetRequest -> GetResponse
        Put PutRequest -> PutResponse
        Delete DeleteRequest -> DeleteResponse
        Compact CompactRequest -> CompactResponse
        Close CloseRequest -> CloseResponse
        HealthCheck E -> HealthCheckResponse
        WriteBatch WriteBatchRequest -> WriteBatchResponse
        NewIteratorWithStartAndPrefix NewIteratorWithStartAndPrefixRequest -> NewIteratorWithStartAndPrefixResponse
        IteratorNext IteratorNextRequest -> IteratorNextResponse
        IteratorError IteratorErrorRequest -> IteratorErrorResponse
        IteratorRelease IteratorReleaseRequest -> IteratorReleaseResponse
        message rpcdb.HasRequest = 1 key b
        message rpcdb.HasResponse = 1 has bool, 2 err Error
        message rpcdb.GetRequest = 1 key b
        message rpcdb.GetResponse = 1 value b, 2 err Error
        message rpcdb.PutRequest = 1 key b, 2 value b
        message rpcdb.PutResponse = 1 err Error
        message rpcdb.DeleteRequest = 1 key b
        message rpcdb.DeleteResponse = 1 err Error
        message rpcdb.CompactRequest = 1 start b, 2 limit b
        message rpcdb.CompactResponse = 1 err Error
        message rpcdb.CloseResponse = 1 err Error
        message rpcdb.HealthCheckResponse = 1 details b
        message rpcdb.WriteBatchRequest = 1 puts *PutRequest, 2 deletes *DeleteRequest
        message rpcdb.WriteBatchResponse = 1 err Error
        message rpcdb.NewIteratorWithStartAndPrefixRequest = 1 start b, 2 prefix b
        message rpcdb.NewIteratorWithStartAndPrefixResponse = 1 id u8
        message rpcdb.IteratorNextRequest = 1 id u8
        message rpcdb.IteratorNextResponse = 1 data *PutRequest
        message rpcdb.IteratorErrorRequest = 1 id u8
        message rpcdb.IteratorErrorResponse = 1 err Error
        message rpcdb.IteratorReleaseRequest = 1 id u8
        message rpcdb.IteratorReleaseResponse = 1 err Error

        service appsender.AppSender
        SendAppRequest SendAppRequestMsg -> E
        SendAppResponse SendAppResponseMsg -> E
        SendAppError SendAppErrorMsg -> E
        SendAppGossip SendAppGossipMsg -> E
        message appsender.SendAppRequestMsg = 1 node_ids *b, 2 request_id u4, 3 request b
        message appsender.SendAppResponseMsg = 1 node_id b, 2 request_id u4, 3 response b
        message appsender.SendAppErrorMsg = 1 node_id b, 2 request_id u4, 3 error_code z4, 4 error_message s
        message appsender.SendAppGossipMsg = 1 node_ids *b, 2 validators u8, 3 non_validators u8, 4 peers u8, 5 msg b

        service validatorstate.ValidatorState
        GetMinimumHeight E -> GetMinimumHeightResponse
        GetCurrentHeight E -> GetCurrentHeightResponse
        GetSubnetID GetSubnetIDRequest -> GetSubnetIDResponse
        GetWarpValidatorSets GetWarpValidatorSetsRequest -> GetWarpValidatorSetsResponse
        GetValidatorSet GetValidatorSetRequest -> GetValidatorSetResponse
        GetCurrentValidatorSet GetCurrentValidatorSetRequest -> GetCurrentValidatorSetResponse
        message validatorstate.GetMinimumHeightResponse = 1 height u8
        message validatorstate.GetCurrentHeightResponse = 1 height u8
        message validatorstate.GetSubnetIDRequest = 1 chain_id b
        message validatorstate.GetSubnetIDResponse = 1 subnet_id b
        message validatorstate.GetWarpValidatorSetsRequest = 1 height u8
        message validatorstate.GetWarpValidatorSetsResponse = 1 validator_sets *WarpValidatorSet
        message validatorstate.GetValidatorSetRequest = 1 height u8, 2 subnet_id b
        message validatorstate.GetValidatorSetResponse = 1 validators *Validator
        message validatorstate.GetCurrentValidatorSetRequest = 1 subnet_id b
        message validatorstate.GetCurrentValidatorSetResponse = 1 validators *Validator, 2 current_height u8
        message validatorstate.Validator = 1 node_id b, 2 weight u8, 3 public_key b, 4 start_time u8, 5 min_nonce u8, 6 is_active bool, 7 validation_id b, 8 is_l1_validator bool
        message validatorstate.WarpValidatorSet = 1 subnet_id b, 2 total_weight u8, 3 validators *WarpValidator
        message validatorstate.WarpValidator = 1 public_key b, 2 weight u8, 3 node_ids *b

        service warp.Signer
        Sign SignRequest -> SignResponse
        message warp.SignRequest = 1 network_id u4, 2 source_chain_id b, 3 payload b
        message warp.SignResponse = 1 signature b

        service aliasreader.AliasReader
        Lookup Alias -> ID
        PrimaryAlias ID -> Alias
        Aliases ID -> AliasList
        message aliasreader.ID = 1 id b
        message aliasreader.Alias = 1 alias s
        message aliasreader.AliasList = 1 aliases *s

        service sharedmemory.SharedMemory
        Get GetRequest -> GetResponse
        Indexed IndexedRequest -> IndexedResponse
        Apply ApplyRequest -> ApplyResponse
        message sharedmemory.GetRequest = 1 peer_chain_id b, 2 keys *b
        message sharedmemory.GetResponse = 1 values *b
        message sharedmemory.IndexedRequest = 1 peer_chain_id b, 2 traits *b, 3 start_trait b, 4 start_key b, 5 limit i4
        message sharedmemory.IndexedResponse = 1 values *b, 2 last_trait b, 3 last_key b
        message sharedmemory.ApplyRequest = 1 requests *AtomicRequest, 2 batches *Batch
        message sharedmemory.AtomicRequest = 1 remove_requests *b, 2 put_requests *Element, 3 peer_chain_id b
        message sharedmemory.Element = 1 key b, 2 value b, 3 traits *b
        message sharedmemory.Batch = 1 puts *BatchPut, 2 deletes *BatchDelete
        message sharedmemory.BatchPut = 1 key b, 2 value b
        message sharedmemory.BatchDelete = 1 key b

        service http.HTTP
        Handle HTTPRequest -> HTTPResponse
        HandleSimple HandleSimpleHTTPRequest -> HandleSimpleHTTPResponse
        message http.HandleSimpleHTTPRequest = 1 method s, 2 url s, 3 request_headers *Element, 4 body b, 5 response_headers *Element
        message http.HandleSimpleHTTPResponse = 1 code i4, 2 headers *Element, 3 body b
        message http.Element = 1 key s, 2 values *s
        message http.HTTPRequest = 1 response_writer ResponseWriter, 2 request Request
        message http.HTTPResponse = 1 header *Element
        message http.ResponseWriter = 1 header *Element, 2 server_addr s
        message http.Request = 1 method s, 2 url URL, 3 proto s, 4 proto_major i4, 5 proto_minor i4, 6 header *Element, 8 content_length i8, 9 transfer_encoding *s, 10 host s, 11 form *Element, 12 post_form *Element, 13 trailer_keys *s, 14 remote_addr s, 15 request_uri s, 16 tls ConnectionState
        message http.URL = 1 scheme s, 2 opaque s, 3 user Userinfo, 4 host s, 5 path s, 6 raw_path s, 7 force_query bool, 8 raw_query s, 9 fragment s
        message http.Userinfo = 1 username s, 2 password s, 3 password_set bool
        message http.ConnectionState = 1 version u4, 2 handshake_complete bool, 3 did_resume bool, 4 cipher_suite u4, 5 negotiated_protocol s, 6 server_name s, 7 peer_certificates Certificates, 8 verified_chains *Certificates, 9 signed_certificate_timestamps *b, 10 ocsp_response b
        message http.Certificates = 1 cert *b

        service http.responsewriter.Writer
        Write WriteRequest -> WriteResponse
        WriteHeader WriteHeaderRequest -> E
        Flush E -> E
        Hijack E -> HijackResponse
        message http.responsewriter.Header = 1 key s, 2 values *s
        message http.responsewriter.WriteRequest = 1 headers *Header, 2 payload b
        message http.responsewriter.WriteResponse = 1 written i4
        message http.responsewriter.WriteHeaderRequest = 1 headers *Header, 2 status_code i4
        message http.responsewriter.HijackResponse = 1 local_network s, 2 local_string s, 3 remote_network s, 4 remote_string s, 5 server_addr s

        service io.reader.Reader
        Read ReadRequest -> ReadResponse
        message io.reader.ReadRequest = 1 length i4
        message io.reader.ReadResponse = 1 read b, 2 error Error
        message io.reader.Error = 1 error_code ErrorCode, 2 message s

        service io.writer.Writer
        Write WriteRequest -> WriteResponse
        message io.writer.WriteRequest = 1 payload b
        message io.writer.WriteResponse = 1 written i4, 2 error ?s

        service net.conn.Conn
        Read ReadRequest -> ReadResponse
        Write WriteRequest -> WriteResponse
        Close E -> E
        SetDeadline SetDeadlineRequest -> E
        SetReadDeadline SetDeadlineRequest -> E
        SetWriteDeadline SetDeadlineRequest -> E
        message net.conn.ReadRequest = 1 length i4
        message net.conn.ReadResponse = 1 read b, 2 error Error
        message net.conn.Error = 1 error_code ErrorCode, 2 message s
        message net.conn.WriteRequest = 1 payload b
        message net.conn.WriteResponse = 1 length i4, 2 error ?s
        message net.conn.SetDeadlineRequest = 1 time b

        message sdk.PullGossipRequest = 2 salt b, 3 filter b
        message sdk.PullGossipResponse = 1 gossip *b
        message sdk.PushGossip = 1 gossip *b
        message sdk.SignatureRequest = 1 message b, 2 justification b
        message sdk.SignatureResponse = 1 signature b
        """;
}
